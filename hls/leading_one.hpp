// SPDX-License-Identifier: Apache-2.0
// Position of the leading one.
#ifndef GATEWRIGHT_LEADING_ONE_HPP
#define GATEWRIGHT_LEADING_ONE_HPP

#include "ap_int.h"

namespace gatewright {

/// floor(log2 value); 0 for 0.
template <int W> unsigned leading_one(const ap_uint<W> &value) {
    #pragma HLS INLINE
    unsigned position = 0;
bits:
    for (unsigned i = 1; i < unsigned(W); ++i) {
        #pragma HLS UNROLL
        if (value[i])
            position = i;
    }
    return position;
}

} // namespace gatewright

#endif
