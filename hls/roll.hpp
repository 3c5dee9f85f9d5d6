// SPDX-License-Identifier: Apache-2.0
// y[t] = x[(t + shift) mod n]: the first tokens of a sequence move to its end.
#ifndef GATEWRIGHT_ROLL_HPP
#define GATEWRIGHT_ROLL_HPP

#include "pad.hpp"

namespace gatewright {

/// CONFIG: `channels` per token; `shift`, at most the tokens of the shortest sequence.
template <class CONFIG, class in_T, class out_T> void roll(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    pass_wrapped<CONFIG::channels, CONFIG::shift, CONFIG::shift>(in, out);
}

} // namespace gatewright

#endif
