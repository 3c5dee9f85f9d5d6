// SPDX-License-Identifier: Apache-2.0
// One stream for two readers; more readers are a chain of forks.
#ifndef GATEWRIGHT_FORK_HPP
#define GATEWRIGHT_FORK_HPP

#include "stream.hpp"

namespace gatewright {

template <class CONFIG, class T> void fork(hls::stream<T> &in, hls::stream<T> &out0, hls::stream<T> &out1) {
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        const T x = in.read();
        last = x.last;
        out0.write(x);
        out1.write(x);
    }
}

} // namespace gatewright

#endif
