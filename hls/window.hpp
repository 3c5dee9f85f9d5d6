// SPDX-License-Identifier: Apache-2.0
// Sliding windows: for every position on the stride grid all taps, from a memory of the last rows only.
#ifndef GATEWRIGHT_WINDOW_HPP
#define GATEWRIGHT_WINDOW_HPP

#include "pad.hpp"

namespace gatewright {

/// Read one token into a slot of the memory; returns whether it ended the sequence.
template <unsigned CHANNELS, class T> bool keep_token(hls::stream<T> &in, typename T::value_type *slot) {
    bool last = false;
token:
    for (unsigned b = 0; b < CHANNELS / T::size; ++b) {
        #pragma HLS PIPELINE II=1
        const T x = in.read();
        for (unsigned i = 0; i < T::size; ++i)
            slot[b * T::size + i] = x.data[i];
        last = x.last;
    }
    return last;
}

/// All taps of the position whose final tap is token `index`, in the order (group, tap, channel of the group).
template <class CONFIG, class element_T, class out_T>
void send_patch(const element_T memory[CONFIG::slots][CONFIG::channels], unsigned index, unsigned columns,
                hls::stream<out_T> &out, bool last) {
    const unsigned inner = CONFIG::channels / CONFIG::groups, taps = CONFIG::kernel_h * CONFIG::kernel_w;
    static_assert(CONFIG::channels * CONFIG::kernel_h * CONFIG::kernel_w % out_T::size == 0, "whole beats per patch");
    const unsigned beats = CONFIG::channels * taps / out_T::size;
    unsigned group = 0, row = 0, column = 0, channel = 0;
patch:
    for (unsigned b = 0; b < beats; ++b) {
        #pragma HLS PIPELINE II=1
        out_T y;
        for (unsigned i = 0; i < out_T::size; ++i) {
            const unsigned behind = (CONFIG::kernel_h - 1 - row) * CONFIG::dilation_h * columns +
                                    (CONFIG::kernel_w - 1 - column) * CONFIG::dilation_w;
            y.data[i] = memory[(index - behind) % CONFIG::slots][group * inner + channel];
            if (++channel == inner) {
                channel = 0;
                if (++column == CONFIG::kernel_w) {
                    column = 0;
                    if (++row == CONFIG::kernel_h) {
                        row = 0;
                        ++group;
                    }
                }
            }
        }
        y.last = last && b + 1 == beats;
        out.write(y);
    }
}

/// Positions over a padded stream.
///
/// CONFIG: as for `pad`, and `groups`, `kernel_h`, `kernel_w`, `stride_h`, .., `dilation_h`, ..; `slots`, a power of two
/// and no fewer tokens than lie between the first and the final tap, a stride more for a sequence.
template <class CONFIG, class in_T, class out_T> void window(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    const unsigned reach_h = (CONFIG::kernel_h - 1) * CONFIG::dilation_h;
    const unsigned reach_w = (CONFIG::kernel_w - 1) * CONFIG::dilation_w;
    typename in_T::value_type memory[CONFIG::slots][CONFIG::channels];
    unsigned index = 0;
    if (CONFIG::width == 0) {
        // A position is held back until the next one is certain or the sequence has ended: only so is `last` known.
        unsigned next = reach_w;
        bool ended = false;
    sequence:
        while (!ended) {
            ended = keep_token<CONFIG::channels>(in, memory[index % CONFIG::slots]);
            while (next <= index && (ended || next + CONFIG::stride_w <= index)) {
                send_patch<CONFIG>(memory, next, 0, out, ended && next + CONFIG::stride_w > index);
                next += CONFIG::stride_w;
            }
            ++index;
        }
        return;
    }
    const unsigned rows = CONFIG::top + CONFIG::height + CONFIG::bottom;
    const unsigned columns = CONFIG::left + CONFIG::width + CONFIG::right;
    const unsigned final_row = (rows - reach_h - 1) / CONFIG::stride_h * CONFIG::stride_h + reach_h;
    const unsigned final_column = (columns - reach_w - 1) / CONFIG::stride_w * CONFIG::stride_w + reach_w;
image:
    for (unsigned row = 0; row < rows; ++row)
        for (unsigned column = 0; column < columns; ++column) {
            keep_token<CONFIG::channels>(in, memory[index % CONFIG::slots]);
            if (row >= reach_h && column >= reach_w && (row - reach_h) % CONFIG::stride_h == 0 &&
                (column - reach_w) % CONFIG::stride_w == 0)
                send_patch<CONFIG>(memory, index, columns, out, row == final_row && column == final_column);
            ++index;
        }
}

/// Periodic continuation, of the whole or behind it only.
template <class CONFIG, bool WRAPS> struct wrapped {
    template <class T> static void run(hls::stream<T> &in, hls::stream<T> &out) { pad_circular<CONFIG>(in, out); }
};
template <class CONFIG> struct wrapped<CONFIG, true> {
    template <class T> static void run(hls::stream<T> &in, hls::stream<T> &out) {
        pass_wrapped<CONFIG::channels, 0, CONFIG::right>(in, out);
    }
};

/// The border that a window needs.
template <class CONFIG, bool CIRCULAR> struct border {
    template <class T> static void run(hls::stream<T> &in, hls::stream<T> &out) { pad<CONFIG>(in, out); }
};
template <class CONFIG> struct border<CONFIG, true> {
    template <class T> static void run(hls::stream<T> &in, hls::stream<T> &out) {
        // A sequence that goes on with its own head needs no more of itself.
        wrapped<CONFIG, CONFIG::width == 0 && CONFIG::left == 0 && (CONFIG::right > 0)>::run(in, out);
    }
};

} // namespace gatewright

#endif
