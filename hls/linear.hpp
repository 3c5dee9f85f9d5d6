// SPDX-License-Identifier: Apache-2.0
// Matrix-vector product per token: y[o] = sat((sum_i w[o, i] x[i] + bias[o] + half) >> shift[o]).
#ifndef GATEWRIGHT_LINEAR_HPP
#define GATEWRIGHT_LINEAR_HPP

#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// One folded matrix unit: in_T::size inputs times out_T::size outputs per cycle.
///
/// CONFIG: `groups` that do not mix, each of `ins` inputs and `outs` outputs; bits of the `accumulator` and of `wide`,
/// the sum with bias and half. `weight` lies in the order of use: group, fold of the outputs, step, output, input.
template <class CONFIG, class in_T, class out_T, class weight_T, class bias_T, class shift_T>
void linear(hls::stream<in_T> &in, hls::stream<out_T> &out,
            const weight_T weight[CONFIG::groups * CONFIG::ins * CONFIG::outs],
            const bias_T bias[CONFIG::groups * CONFIG::outs], const shift_T shift[CONFIG::groups * CONFIG::outs]) {
    static_assert(CONFIG::ins % in_T::size == 0, "SIMD divides the inputs of a group");
    static_assert(CONFIG::outs % out_T::size == 0, "PE divides the outputs of a group");
    const unsigned simd = in_T::size, pe = out_T::size;
    const unsigned steps = CONFIG::ins / simd, folds = CONFIG::outs / pe, products = simd * pe;
    in_T kept[steps];
    ap_int<CONFIG::accumulator> sums[pe];
    #pragma HLS ARRAY_PARTITION variable=sums complete
    #pragma HLS ARRAY_RESHAPE variable=weight cyclic factor=products
    unsigned group = 0, fold = 0, step = 0;
    bool ending = false, last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        if (fold == 0) {
            kept[step] = in.read();
            ending = kept[step].last;
        }
        const unsigned row = ((group * folds + fold) * steps + step) * products;
    outputs:
        for (unsigned p = 0; p < pe; ++p) {
            #pragma HLS UNROLL
            ap_int<CONFIG::accumulator> sum = step == 0 ? ap_int<CONFIG::accumulator>(0) : sums[p];
            for (unsigned s = 0; s < simd; ++s)
                sum += kept[step].data[s] * weight[row + p * simd + s];
            sums[p] = sum;
        }
        if (++step == steps) {
            out_T y;
            const unsigned first = (group * folds + fold) * pe;
        results:
            for (unsigned p = 0; p < pe; ++p) {
                #pragma HLS UNROLL
                const ap_int<CONFIG::wide> total = sums[p] + bias[first + p];
                y.data[p] = rescale<typename out_T::value_type>(total, shift[first + p].to_int());
            }
            step = 0;
            if (++fold == folds) {
                fold = 0;
                group = group + 1 == CONFIG::groups ? 0 : group + 1;
            }
            // The final input beat belongs to the final group, whose final fold ends the sequence.
            last = y.last = ending && fold == 0 && group == 0;
            out.write(y);
        }
    }
}

} // namespace gatewright

#endif
