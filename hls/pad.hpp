// SPDX-License-Identifier: Apache-2.0
// Border tokens around an image or a sequence: constant, or the periodic continuation.
//
// CONFIG of both: `channels` per token; `height`, `width` of the image, width 0 for a sequence of run-time length;
// `top`, `left`, `bottom`, `right` tokens added.
#ifndef GATEWRIGHT_PAD_HPP
#define GATEWRIGHT_PAD_HPP

#include "stream.hpp"

namespace gatewright {

/// Send one token, from the stream or constant; returns whether its beat was the sequence's final one.
template <unsigned CHANNELS, class T>
bool pass_token(hls::stream<T> &in, hls::stream<T> &out, bool real, const typename T::value_type &fill, bool ends) {
    bool last = false;
token:
    for (unsigned b = 0; b < CHANNELS / T::size; ++b) {
        #pragma HLS PIPELINE II=1
        T y;
        if (real) {
            y = in.read();
            last = y.last;
        } else {
            for (unsigned i = 0; i < T::size; ++i)
                y.data[i] = fill;
        }
        // A real token ends the stream only when nothing follows it.
        y.last = real ? last && ends : ends && b + 1 == CHANNELS / T::size;
        out.write(y);
    }
    return last;
}

/// Constant border. CONFIG: `fill`, the integer in it.
template <class CONFIG, class T> void pad(hls::stream<T> &in, hls::stream<T> &out) {
    static_assert(CONFIG::channels % T::size == 0, "whole beats per token");
    const typename T::value_type fill = CONFIG::fill;
    if (CONFIG::width == 0) {
        for (unsigned t = 0; t < CONFIG::left; ++t)
            pass_token<CONFIG::channels>(in, out, false, fill, false);
        bool last = false;
    sequence:
        while (!last)
            last = pass_token<CONFIG::channels>(in, out, true, fill, CONFIG::right == 0);
        for (unsigned t = 0; t < CONFIG::right; ++t)
            pass_token<CONFIG::channels>(in, out, false, fill, t + 1 == CONFIG::right);
        return;
    }
    const unsigned rows = CONFIG::top + CONFIG::height + CONFIG::bottom;
    const unsigned columns = CONFIG::left + CONFIG::width + CONFIG::right;
image:
    for (unsigned row = 0; row < rows; ++row)
        for (unsigned column = 0; column < columns; ++column) {
            const bool inside = row >= CONFIG::top && row < CONFIG::top + CONFIG::height && column >= CONFIG::left &&
                                column < CONFIG::left + CONFIG::width;
            pass_token<CONFIG::channels>(in, out, inside, fill, row + 1 == rows && column + 1 == columns);
        }
}

/// A sequence from token SKIP on, then its first HEAD tokens again, going round as often as needed; SKIP <= HEAD, and
/// the sequence has at least SKIP tokens.
template <unsigned CHANNELS, unsigned SKIP, unsigned HEAD, class T>
void pass_wrapped(hls::stream<T> &in, hls::stream<T> &out) {
    static_assert(CHANNELS % T::size == 0, "whole beats per token");
    static_assert(HEAD > 0 && SKIP <= HEAD, "what is left out in front comes behind");
    const unsigned beats = CHANNELS / T::size, kept = HEAD * beats;
    T head[kept];
    unsigned count = 0, place = 0;
    bool last = false;
sequence:
    while (!last) {
        #pragma HLS PIPELINE II=1
        T x = in.read();
        last = x.last;
        x.last = false;
        if (count >= SKIP * beats)
            out.write(x);
        if (count < kept)
            head[count++] = x;
    }
again:
    for (unsigned b = 0; b < kept; ++b) {
        #pragma HLS PIPELINE II=1
        T y = head[place];
        y.last = b + 1 == kept;
        out.write(y);
        place = place + 1 == count ? 0 : place + 1;
    }
}

/// Periodic border, at most once round. CONFIG: `most` tokens of the longest sequence, which is kept whole.
template <class CONFIG, class T> void pad_circular(hls::stream<T> &in, hls::stream<T> &out) {
    static_assert(CONFIG::channels % T::size == 0, "whole beats per token");
    const unsigned beats = CONFIG::channels / T::size;
    T kept[CONFIG::most * beats];
    unsigned count = 0;
    bool last = false;
keep:
    while (!last) {
        #pragma HLS PIPELINE II=1
        kept[count] = in.read();
        last = kept[count++].last;
    }
    const unsigned width = CONFIG::width ? unsigned(CONFIG::width) : count / beats;
    const unsigned rows = CONFIG::top + CONFIG::height + CONFIG::bottom, columns = CONFIG::left + width + CONFIG::right;
image:
    for (unsigned row = 0; row < rows; ++row)
        for (unsigned column = 0; column < columns; ++column)
            for (unsigned b = 0; b < beats; ++b) {
                #pragma HLS PIPELINE II=1
                const unsigned y = (row + CONFIG::height - CONFIG::top) % CONFIG::height;
                const unsigned x = (column + width - CONFIG::left) % width;
                T beat = kept[(y * width + x) * beats + b];
                beat.last = row + 1 == rows && column + 1 == columns && b + 1 == beats;
                out.write(beat);
            }
}

} // namespace gatewright

#endif
