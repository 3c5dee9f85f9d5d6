// SPDX-License-Identifier: Apache-2.0
// y[t] = sat((table[min(id, rows - 1)] << table_shift) + (positions[t] << position_shift)).
#ifndef GATEWRIGHT_EMBEDDING_HPP
#define GATEWRIGHT_EMBEDDING_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// CONFIG: `rows`, `channels` of the table; `places`, rows of `positions`, which then has one row of zeros if there are
/// none; the two shifts; bits of `wide`, the sum.
template <class CONFIG, class in_T, class out_T, class entry_T, class place_T>
void embedding(hls::stream<in_T> &in, hls::stream<out_T> &out, const entry_T table[CONFIG::rows * CONFIG::channels],
               const place_T positions[(CONFIG::places ? CONFIG::places : 1) * CONFIG::channels]) {
    static_assert(in_T::size == 1 && CONFIG::channels % out_T::size == 0, "a number in, whole beats out");
    typedef ap_int<CONFIG::wide> wide_T;
    unsigned place = 0;
    bool last = false;
tokens:
    while (!last) {
        const in_T x = in.read();
        const unsigned id = x.data[0].to_uint();
        const unsigned row = id < CONFIG::rows ? id : unsigned(CONFIG::rows - 1);
    channels:
        for (unsigned c = 0; c < CONFIG::channels; c += out_T::size) {
            #pragma HLS PIPELINE II=1
            out_T y;
            for (unsigned i = 0; i < out_T::size; ++i) {
                const wide_T entry = wide_T(table[row * CONFIG::channels + c + i]) << CONFIG::table_shift;
                const wide_T offset = wide_T(positions[place * CONFIG::channels + c + i]) << CONFIG::position_shift;
                y.data[i] = saturate<typename out_T::value_type>(wide_T(entry + offset));
            }
            y.last = x.last && c + out_T::size == CONFIG::channels;
            out.write(y);
        }
        last = x.last;
        if (CONFIG::places)
            ++place;
    }
}

} // namespace gatewright

#endif
