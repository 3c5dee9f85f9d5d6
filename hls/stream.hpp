// SPDX-License-Identifier: Apache-2.0
// Token streams: beats of `N` channels with `last` on the final beat of a sequence, and regions of concurrent processes.
//
// Under Vitis HLS, and in hls4ml's own C simulation, a region is a plain dataflow function and streams are `hls::stream`.
// With GATEWRIGHT_BOUNDED defined (and `simulation/` first on the include path) processes take turns and a stream holds no
// more beats than its hardware does, so that a deadlock shows.
#ifndef GATEWRIGHT_STREAM_HPP
#define GATEWRIGHT_STREAM_HPP

#include "ap_int.h"
#include "hls_stream.h"

namespace gatewright {

/// `N` consecutive channels of a token.
template <class T, unsigned N> struct beat {
    typedef T value_type;
    static const unsigned size = N;

    T data[N];
    bool last; ///< of the sequence
};

} // namespace gatewright

#ifdef GATEWRIGHT_BOUNDED
#include "scheduler.hpp"
#define GATEWRIGHT_REGION gatewright::region region_
#define GATEWRIGHT_STREAM(NAME, DEPTH, ...) hls::stream<__VA_ARGS__> NAME(#NAME, DEPTH)
#define GATEWRIGHT_PROCESS(NAME, ...) region_.start(NAME, [&] { __VA_ARGS__; })
#define GATEWRIGHT_JOIN region_.join()
#else
#define GATEWRIGHT_REGION
#define GATEWRIGHT_STREAM(NAME, DEPTH, ...) hls::stream<__VA_ARGS__> NAME(#NAME)
#define GATEWRIGHT_PROCESS(NAME, ...) __VA_ARGS__
#define GATEWRIGHT_JOIN
#endif

#endif
