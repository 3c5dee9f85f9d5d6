// SPDX-License-Identifier: Apache-2.0
// Convolution over an image that multiplies kept weights only.
#ifndef GATEWRIGHT_SPARSE_CONV2D_HPP
#define GATEWRIGHT_SPARSE_CONV2D_HPP

#include "sparse_linear.hpp"
#include "window.hpp"

namespace gatewright {

/// CONFIG: as for `window` and `sparse_linear`; `circular`.
template <class CONFIG, class in_T, class out_T, class weight_T, class place_T, class ends_T, class bias_T, class shift_T>
void sparse_conv2d(hls::stream<in_T> &in, hls::stream<out_T> &out,
                   const weight_T weight[CONFIG::rows * out_T::size * CONFIG::simd],
                   const place_T place[CONFIG::rows * CONFIG::sources * CONFIG::simd],
                   const ends_T ends[CONFIG::rows], const bias_T bias[CONFIG::outs],
                   const shift_T shift[CONFIG::outs]) {
    #pragma HLS DATAFLOW
    static_assert(CONFIG::width > 0, "an image has a width");
    typedef beat<typename in_T::value_type, CONFIG::simd * CONFIG::reach> patch_T;
    typedef border<CONFIG, bool(CONFIG::circular)> border_T;
    GATEWRIGHT_REGION;
    GATEWRIGHT_STREAM(padded, 2, in_T);
    GATEWRIGHT_STREAM(patches, 2, patch_T);
    GATEWRIGHT_PROCESS("border", border_T::run(in, padded));
    GATEWRIGHT_PROCESS("window", window<CONFIG>(padded, patches));
    GATEWRIGHT_PROCESS("matrix", sparse_linear<CONFIG>(patches, out, weight, place, ends, bias, shift));
    GATEWRIGHT_JOIN;
}

} // namespace gatewright

#endif
