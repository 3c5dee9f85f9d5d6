// SPDX-License-Identifier: Apache-2.0
// Every token of an image becomes several: copies of it, or the blocks of its channels.
#ifndef GATEWRIGHT_UPSAMPLE_HPP
#define GATEWRIGHT_UPSAMPLE_HPP

#include "stream.hpp"

namespace gatewright {

/// One row is kept and sent `scale_h` times; the first time as it comes.
///
/// CONFIG: `chunks` beats per token; `columns` of a row, 1 where no row is sent twice; `scale_h`, `scale_w` tokens per
/// token; `parts` input channels per output channel, 1 for copies.
template <class CONFIG, class in_T, class out_T> void upsample(hls::stream<in_T> &in, hls::stream<out_T> &out) {
    static_assert(unsigned(in_T::size) == out_T::size * CONFIG::parts, "an input beat holds all parts of an output beat");
    static_assert(CONFIG::scale_h * CONFIG::scale_w > 1, "a scale of 1 x 1 is a wire");
    in_T kept[CONFIG::columns * CONFIG::chunks];
    bool last = false;
rows:
    while (!last)
        for (unsigned pass = 0; pass < CONFIG::scale_h; ++pass)
            for (unsigned column = 0; column < CONFIG::columns; ++column)
                for (unsigned copy = 0; copy < CONFIG::scale_w; ++copy)
                    for (unsigned chunk = 0; chunk < CONFIG::chunks; ++chunk) {
                        #pragma HLS PIPELINE II=1
                        in_T x = kept[column * CONFIG::chunks + chunk];
                        if (pass == 0 && copy == 0) {
                            x = in.read();
                            kept[column * CONFIG::chunks + chunk] = x;
                            last = x.last;
                        }
                        const unsigned part = CONFIG::parts > 1 ? pass * CONFIG::scale_w + copy : 0;
                        out_T y;
                        for (unsigned i = 0; i < out_T::size; ++i)
                            y.data[i] = x.data[i * CONFIG::parts + part];
                        // Only the row's last token may say so: those before it are not the sequence's end.
                        y.last = last && pass + 1 == CONFIG::scale_h && column + 1 == CONFIG::columns &&
                                 copy + 1 == CONFIG::scale_w && chunk + 1 == CONFIG::chunks;
                        out.write(y);
                    }
}

} // namespace gatewright

#endif
