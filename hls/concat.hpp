// SPDX-License-Identifier: Apache-2.0
// Channels of the first input, then channels of the second, token by token.
#ifndef GATEWRIGHT_CONCAT_HPP
#define GATEWRIGHT_CONCAT_HPP

#include "stream.hpp"

namespace gatewright {

/// CONFIG: `beats_a`, `beats_b` per token.
template <class CONFIG, class T>
void concat(hls::stream<T> &a, hls::stream<T> &b, hls::stream<T> &out) {
    unsigned place = 0;
    bool last = false;
beats:
    while (!last) {
        #pragma HLS PIPELINE II=1
        const bool second = place >= CONFIG::beats_a;
        T y = second ? b.read() : a.read();
        // The first input's final beat is followed by the second's.
        last = y.last = y.last && second;
        place = place + 1 == CONFIG::beats_a + CONFIG::beats_b ? 0 : place + 1;
        out.write(y);
    }
}

} // namespace gatewright

#endif
