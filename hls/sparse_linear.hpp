// SPDX-License-Identifier: Apache-2.0
// Sparse matrix-vector product per token: y[o] = sat((sum_k w[o, k] x[place[o, k]] + bias[o] + half) >> shift[o]).
#ifndef GATEWRIGHT_SPARSE_LINEAR_HPP
#define GATEWRIGHT_SPARSE_LINEAR_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// One sparse matrix unit: `simd` kept weights times out_T::size outputs per cycle.
///
/// CONFIG: `ins` inputs, `outs` outputs, `rows` of weights per token; `reach` channels of a beat that a multiplier chooses
/// from; `sources`, sets of places per row; bits of the `accumulator` and of `wide`, the sum with bias and half.
/// `weight` lies in the order row, output, multiplier; `place` in the order row, source, multiplier, and counts what
/// the multiplier sees: beat * reach + channel; `ends` says which rows end a fold.
template <class CONFIG, class in_T, class out_T, class weight_T, class place_T, class ends_T, class bias_T, class shift_T>
void sparse_linear(hls::stream<in_T> &in, hls::stream<out_T> &out,
                   const weight_T weight[CONFIG::rows * out_T::size * CONFIG::simd],
                   const place_T place[CONFIG::rows * CONFIG::sources * CONFIG::simd],
                   const ends_T ends[CONFIG::rows], const bias_T bias[CONFIG::outs],
                   const shift_T shift[CONFIG::outs]) {
    static_assert(CONFIG::simd * CONFIG::reach == in_T::size, "a beat holds what all multipliers of an output see");
    static_assert(CONFIG::ins % in_T::size == 0, "beats divide the inputs");
    static_assert(CONFIG::outs % out_T::size == 0, "PE divides the outputs");
    static_assert(out_T::size % CONFIG::sources == 0, "sources divide PE");
    const unsigned simd = CONFIG::simd, reach = CONFIG::reach, pe = out_T::size, sources = CONFIG::sources;
    const unsigned words = CONFIG::ins / in_T::size, products = simd * pe, places = simd * sources;
    // Every multiplier reads a copy of its own: a memory has few ports.
    typename in_T::value_type kept[places][words * reach];
    ap_int<CONFIG::accumulator> sums[pe];
    #pragma HLS ARRAY_PARTITION variable=kept complete dim=1
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_RESHAPE variable=kept cyclic factor=reach dim=2
    #pragma HLS ARRAY_RESHAPE variable=weight cyclic factor=products
    #pragma HLS ARRAY_RESHAPE variable=place cyclic factor=places
    bool last = false;
tokens:
    while (!last) {
    beats:
        for (unsigned word = 0; word < words; ++word) {
            #pragma HLS PIPELINE II=1
            const in_T x = in.read();
            last = x.last;
        copies:
            for (unsigned i = 0; i < places; ++i) {
                #pragma HLS UNROLL
                for (unsigned c = 0; c < reach; ++c)
                    kept[i][word * reach + c] = x.data[i % simd * reach + c];
            }
        }
        unsigned fold = 0;
        bool first = true;
    rows:
        for (unsigned row = 0; row < CONFIG::rows; ++row) {
            #pragma HLS PIPELINE II=1
        outputs:
            for (unsigned p = 0; p < pe; ++p) {
                #pragma HLS UNROLL
                ap_int<CONFIG::accumulator> sum = first ? ap_int<CONFIG::accumulator>(0) : sums[p];
                for (unsigned s = 0; s < simd; ++s) {
                    const unsigned i = p * sources / pe * simd + s;
                    sum += kept[i][place[row * places + i].to_uint()] * weight[row * products + p * simd + s];
                }
                sums[p] = sum;
            }
            first = ends[row] != 0;
            if (first) {
                out_T y;
            results:
                for (unsigned p = 0; p < pe; ++p) {
                    #pragma HLS UNROLL
                    const ap_int<CONFIG::wide> total = sums[p] + bias[fold * pe + p];
                    y.data[p] = rescale<typename out_T::value_type>(total, shift[fold * pe + p].to_int());
                }
                y.last = last && row + 1 == CONFIG::rows;
                ++fold;
                out.write(y);
            }
        }
    }
}

} // namespace gatewright

#endif
