// SPDX-License-Identifier: Apache-2.0
// Matrix-vector product per token in a ring: y[o] = sum_i w[o, i] x[i] + addend[o] + bias[o] modulo 2^m.
#ifndef GATEWRIGHT_SECURE_LINEAR_HPP
#define GATEWRIGHT_SECURE_LINEAR_HPP

#include "stream.hpp"

namespace gatewright {

/// One folded matrix unit: in_T::size inputs times out_T::size outputs per cycle; `rtl/secure/modular_linear.sv` has the parts
/// that x, w and addend play at each party.
///
/// CONFIG: `groups` that do not mix, each of `ins` inputs and `outs` outputs. Elements are unsigned and as wide as the ring.
/// `weight` lies in the order of use: group, fold of the outputs, step, output, input.
template <class CONFIG, class in_T, class out_T, class weight_T, class bias_T>
void secure_linear(hls::stream<in_T> &in, hls::stream<out_T> &addend, hls::stream<out_T> &out,
                   const weight_T weight[CONFIG::groups * CONFIG::ins * CONFIG::outs],
                   const bias_T bias[CONFIG::groups * CONFIG::outs]) {
    static_assert(CONFIG::ins % in_T::size == 0, "SIMD divides the inputs of a group");
    static_assert(CONFIG::outs % out_T::size == 0, "PE divides the outputs of a group");
    typedef typename out_T::value_type ring;
    const unsigned simd = in_T::size, pe = out_T::size;
    const unsigned steps = CONFIG::ins / simd, folds = CONFIG::outs / pe, products = simd * pe;
    in_T kept[steps];
    ring sums[pe];
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
            ring sum = step == 0 ? ring(0) : sums[p];
            for (unsigned s = 0; s < simd; ++s)
                sum += ring(kept[step].data[s] * weight[row + p * simd + s]);
            sums[p] = sum;
        }
        if (++step == steps) {
            out_T y = addend.read();
        results:
            for (unsigned p = 0; p < pe; ++p) {
                #pragma HLS UNROLL
                y.data[p] += ring(sums[p] + ring(bias[(group * folds + fold) * pe + p]));
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
