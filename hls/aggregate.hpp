// SPDX-License-Identifier: Apache-2.0
// Aggregation over a graph whose nodes are the tokens: y[t] = requantize(sum of a x[s] over the rows (s, a) of t, shift).
#ifndef GATEWRIGHT_AGGREGATE_HPP
#define GATEWRIGHT_AGGREGATE_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: `nodes`, `channels`; bits of `wide`, a sum with half; `rows`, edges and one for each node without any.
/// `source` and `coefficient` of each row, ordered by the node where it ends; `ends` says which rows are a node's last.
template <class CONFIG, class in_T, class out_T, class source_T, class coefficient_T, class ends_T, class shift_T>
void aggregate(hls::stream<in_T> &in, hls::stream<out_T> &out, const source_T source[CONFIG::rows],
               const coefficient_T coefficient[CONFIG::rows], const ends_T ends[CONFIG::rows], const shift_T shift[1]) {
    static_assert(in_T::size == out_T::size && CONFIG::channels % in_T::size == 0, "whole beats per token");
    const unsigned beats = CONFIG::channels / in_T::size, lanes = in_T::size;
    typedef ap_int<CONFIG::wide> wide_T;
    in_T tokens[CONFIG::nodes * beats];
    wide_T sums[beats][lanes];
    #pragma HLS ARRAY_PARTITION variable=sums complete dim=2
nodes:
    for (unsigned i = 0; i < CONFIG::nodes * beats; ++i) {
        #pragma HLS PIPELINE II=1
        tokens[i] = in.read();
    }
    bool first = true;
rows:
    for (unsigned row = 0; row < CONFIG::rows; ++row) {
        const bool end = ends[row] != 0;
    beats:
        for (unsigned b = 0; b < beats; ++b) {
            #pragma HLS PIPELINE II=1
            const in_T x = tokens[source[row].to_uint() * beats + b];
            out_T y;
            for (unsigned i = 0; i < lanes; ++i) {
                #pragma HLS UNROLL
                const wide_T before = first ? wide_T(0) : sums[b][i];
                sums[b][i] = before + wide_T(x.data[i] * coefficient[row]);
                y.data[i] = rescale<typename out_T::value_type>(sums[b][i], shift[0].to_int());
            }
            y.last = row + 1 == CONFIG::rows && b + 1 == beats;
            if (end)
                out.write(y);
        }
        first = end;
    }
}

} // namespace gatewright

#endif
