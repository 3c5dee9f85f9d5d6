// SPDX-License-Identifier: Apache-2.0
// What conv1d and conv2d share: border, window, matrix unit.
#ifndef GATEWRIGHT_CONVOLUTION_HPP
#define GATEWRIGHT_CONVOLUTION_HPP

#include "linear.hpp"
#include "window.hpp"

namespace gatewright {

/// CONFIG: as for `window` and `linear`; `circular`; `simd`, inputs of the matrix unit per cycle.
template <class CONFIG, class in_T, class out_T, class weight_T, class bias_T, class shift_T>
void convolution(hls::stream<in_T> &in, hls::stream<out_T> &out,
                 const weight_T weight[CONFIG::groups * CONFIG::ins * CONFIG::outs],
                 const bias_T bias[CONFIG::groups * CONFIG::outs], const shift_T shift[CONFIG::groups * CONFIG::outs]) {
    #pragma HLS DATAFLOW
    typedef beat<typename in_T::value_type, CONFIG::simd> patch_T;
    typedef border<CONFIG, bool(CONFIG::circular)> border_T;
    GATEWRIGHT_REGION;
    GATEWRIGHT_STREAM(padded, 2, in_T);
    GATEWRIGHT_STREAM(patches, 2, patch_T);
    GATEWRIGHT_PROCESS("border", border_T::run(in, padded));
    GATEWRIGHT_PROCESS("window", window<CONFIG>(padded, patches));
    GATEWRIGHT_PROCESS("matrix", linear<CONFIG>(patches, out, weight, bias, shift));
    GATEWRIGHT_JOIN;
}

} // namespace gatewright

#endif
