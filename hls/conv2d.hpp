// SPDX-License-Identifier: Apache-2.0
// Convolution over an image.
#ifndef GATEWRIGHT_CONV2D_HPP
#define GATEWRIGHT_CONV2D_HPP

#include "convolution.hpp"

namespace gatewright {

/// CONFIG: see `convolution`.
template <class CONFIG, class in_T, class out_T, class weight_T, class bias_T, class shift_T>
void conv2d(hls::stream<in_T> &in, hls::stream<out_T> &out,
            const weight_T weight[CONFIG::groups * CONFIG::ins * CONFIG::outs],
            const bias_T bias[CONFIG::groups * CONFIG::outs], const shift_T shift[CONFIG::groups * CONFIG::outs]) {
    static_assert(CONFIG::width > 0, "an image has a width");
    convolution<CONFIG>(in, out, weight, bias, shift);
}

} // namespace gatewright

#endif
