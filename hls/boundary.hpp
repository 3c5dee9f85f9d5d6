// SPDX-License-Identifier: Apache-2.0
// Between hls4ml's streams of whole tokens in fixed point, whose number is a constant, and ours.
#ifndef GATEWRIGHT_BOUNDARY_HPP
#define GATEWRIGHT_BOUNDARY_HPP

#include "ap_fixed.h"
#include "integer.hpp"
#include "stream.hpp"

namespace gatewright {

/// The integer behind a fixed-point number of the same width.
template <class T, class A> T integer_of(const A &value) {
    #pragma HLS INLINE
    static_assert(A::width == format<T>::width, "the same bits");
    T bits = 0;
    bits.range(A::width - 1, 0) = value.range(A::width - 1, 0);
    return bits;
}

/// `count` tokens in; those after the first `used` are padding and are dropped.
template <class CONFIG, class in_T, class out_T>
void admit(hls::stream<in_T> &in, hls::stream<out_T> &out, unsigned count, unsigned used) {
    static_assert(in_T::size % out_T::size == 0, "whole beats per token");
    // Values from another layer are rounded half up and saturated, as `requantize` does; ours pass unchanged.
    typedef typename CONFIG::fixed_t fixed_t;
tokens:
    for (unsigned t = 0; t < count; ++t) {
        const in_T token = in.read();
        for (unsigned c = 0; t < used && c < in_T::size; c += out_T::size) {
            #pragma HLS PIPELINE II=1
            out_T y;
            for (unsigned i = 0; i < out_T::size; ++i)
                y.data[i] = integer_of<typename out_T::value_type>(fixed_t(token[c + i]));
            y.last = t + 1 == used && c + out_T::size == in_T::size;
            out.write(y);
        }
    }
}

/// From hls4ml. CONFIG: `tokens`; `fixed_t`, the format, with AP_RND and AP_SAT.
template <class CONFIG, class in_T, class out_T> void enter(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    admit<CONFIG>(in, out, CONFIG::tokens, CONFIG::tokens);
}

/// The same with a number of tokens that is known at run time only; `tokens` always come. A number that is not within
/// `least` and `tokens` counts as the nearest of them, so that whatever comes the pipeline ends. CONFIG: `least`.
template <class CONFIG, class in_T, class length_T, class out_T>
void enter_length(hls::stream<in_T> &in, hls::stream<length_T> &length, hls::stream<out_T> &out) {
    const length_T word = length.read();
    const unsigned stated = word[0].to_uint();
    const unsigned least = stated < CONFIG::least ? unsigned(CONFIG::least) : stated;
    admit<CONFIG>(in, out, CONFIG::tokens, least > CONFIG::tokens ? unsigned(CONFIG::tokens) : least);
}

/// To hls4ml: `tokens` always leave, those behind the final one are zero. CONFIG: `tokens`.
template <class CONFIG, class in_T, class out_T> void leave(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    static_assert(out_T::size % in_T::size == 0, "whole beats per token");
    typedef typename out_T::value_type fixed_t;
    bool last = false;
tokens:
    for (unsigned t = 0; t < CONFIG::tokens; ++t) {
        out_T token;
        const bool real = !last;
        for (unsigned c = 0; c < out_T::size; c += in_T::size) {
            #pragma HLS PIPELINE II=1
            in_T x;
            if (real)
                x = in.read();
            for (unsigned i = 0; i < in_T::size; ++i) {
                fixed_t value = 0;
                if (real)
                    value.range(fixed_t::width - 1, 0) = x.data[i].range(fixed_t::width - 1, 0);
                token[c + i] = value;
            }
            if (real)
                last = x.last;
        }
        out.write(token);
    }
}

} // namespace gatewright

#endif
