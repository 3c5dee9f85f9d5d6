// SPDX-License-Identifier: Apache-2.0
// Integer softmax: weights e = 2**16 2**-x from a table of chords, and the division by their sum as a reciprocal.
#ifndef GATEWRIGHT_SOFTMAX_HPP
#define GATEWRIGHT_SOFTMAX_HPP

#include "integer.hpp"
#include "leading_one.hpp"

namespace gatewright {

/// A chord of a falling function: base - drop * offset at `step` bits below the result.
template <class base_T, class drop_T>
ap_int<48> chord(const base_T *base, const drop_T *drop, unsigned argument, unsigned step) {
    #pragma HLS INLINE
    const unsigned segment = argument >> step, offset = argument & ((1u << step) - 1);
    return ap_int<48>(ap_int<48>(base[segment]) << step) - ap_int<48>(drop[segment] * ap_int<24>(offset));
}

/// Weight of a score whose distance from the greatest, times the scale, is `scaled`.
/// CONFIG: the tables' `fraction`, `limit`, `exp_bits`, `exp_step`.
template <class CONFIG, int W, class eb_T, class ed_T>
ap_int<CONFIG::exp_bits + 2> softmax_weight(const ap_int<W> &scaled, int scale_shift, const eb_T *base,
                                            const ed_T *drop) {
    #pragma HLS INLINE
    const ap_int<W> octaves = round_shift(scaled, scale_shift);
    const unsigned u = octaves > ap_int<32>(CONFIG::limit) ? unsigned(CONFIG::limit) : octaves.to_uint();
    const ap_int<48> line = chord(base, drop, u & ((1u << CONFIG::fraction) - 1), CONFIG::exp_step);
    return round_shift(line, int(CONFIG::exp_step + (u >> CONFIG::fraction)));
}

/// Division by a sum of weights: multiply by `inverse`, shift right by `places`.
template <class CONFIG> struct softmax_divisor {
    ap_int<CONFIG::exp_bits + 2> inverse;
    int places;

    /// CONFIG: bits of a `total`, `exp_bits`, `reciprocal_step`.
    template <class rb_T, class rd_T>
    softmax_divisor(const ap_uint<CONFIG::total> &total, const rb_T *base, const rd_T *drop) {
        #pragma HLS INLINE
        const unsigned exponent = leading_one(total);
        const unsigned mantissa =
            ap_uint<CONFIG::total>(total >> (exponent - CONFIG::exp_bits)).to_uint() & ((1u << CONFIG::exp_bits) - 1);
        const ap_int<48> line = chord(base, drop, mantissa, CONFIG::reciprocal_step);
        inverse = round_shift(line, int(CONFIG::reciprocal_step));
        places = int(CONFIG::exp_bits + exponent);
    }
};

} // namespace gatewright

#endif
