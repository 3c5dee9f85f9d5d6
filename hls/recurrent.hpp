// SPDX-License-Identifier: Apache-2.0
// Recurrence of an LSTM or GRU layer: h[t] = cell(x[t], W h[t-1] + b) with h[-1] = 0, see rtl/nn/recurrent_cell.sv.
#ifndef GATEWRIGHT_RECURRENT_HPP
#define GATEWRIGHT_RECURRENT_HPP

#include "pwl.hpp"

namespace gatewright {

/// What `lines` wants to know of a table.
template <unsigned SEGMENTS, int WIDE> struct recurrent_table {
    static const unsigned segments = SEGMENTS;
    static const int wide = WIDE;
};

/// CONFIG: `hidden` units, `simd` of them multiplied per cycle; `gru`, else LSTM; `final` for the last step only; `segments`
/// of the tables; bits of the formats `product`, `gate`, `argument`, `act`, `state`, of the `accumulator`, of `sum` (with
/// bias and half), of a table's line and of the cell's widest sum, `wide`. Tables of knots, slopes, offsets and shift:
/// sigmoid, candidate, tanh. `places` has the shifts to gate, state, argument and output, what the state and a gate lack
/// to the finer one of them, and a gate's fraction bits.
template <class CONFIG, class in_T, class out_T, class weight_T, class bias_T, class shift_T, class sk_T, class ss_T,
          class so_T, class sh_T, class ck_T, class cs_T, class co_T, class ch_T, class tk_T, class ts_T, class to_T,
          class th_T, class place_T>
void recurrent(hls::stream<in_T> &in, hls::stream<out_T> &out, const weight_T weight[], const bias_T bias[],
               const shift_T shift[], const sk_T sk[], const ss_T ss[], const so_T so[], const sh_T sh[],
               const ck_T ck[], const cs_T cs[], const co_T co[], const ch_T ch[], const tk_T tk[], const ts_T ts[],
               const to_T to[], const th_T th[], const place_T places[7]) {
    const unsigned hidden = CONFIG::hidden, pe = in_T::size, gates = CONFIG::gru ? 3 : 4, simd = CONFIG::simd;
    static_assert(in_T::size == out_T::size && CONFIG::hidden % in_T::size == 0, "PE divides the units");
    static_assert(CONFIG::hidden % CONFIG::simd == 0, "SIMD divides the units");
    typedef typename in_T::value_type x_T;
    typedef typename out_T::value_type h_T;
    typedef ap_int<CONFIG::act> act_T;
    typedef ap_int<CONFIG::state> state_T;
    typedef ap_int<CONFIG::argument> argument_T;
    typedef ap_int<CONFIG::product> product_T;
    typedef ap_int<CONFIG::wide> wide_T;
    typedef recurrent_table<CONFIG::sigmoid_segments, CONFIG::sigmoid_line> sigmoid_T;
    typedef recurrent_table<CONFIG::candidate_segments, CONFIG::candidate_line> candidate_T;
    typedef recurrent_table<CONFIG::tanh_segments, CONFIG::tanh_line> tanh_T;
    const int to_gate = places[0].to_int(), to_state = places[1].to_int(), to_argument = places[2].to_int();
    const int to_out = places[3].to_int(), state_align = places[4].to_int(), act_align = places[5].to_int();
    const int act = places[6].to_int();
    x_T u[gates * hidden];
    product_T v[gates * hidden];
    h_T h[hidden];
    state_T state[hidden];
    #pragma HLS ARRAY_PARTITION variable=h cyclic factor=simd
    #pragma HLS ARRAY_RESHAPE variable=weight cyclic factor=simd
start:
    for (unsigned j = 0; j < hidden; ++j) {
        h[j] = 0;
        state[j] = 0;
    }
    bool last = false;
tokens:
    while (!last) {
    arrive:
        for (unsigned b = 0; b < gates * hidden / pe; ++b) {
            #pragma HLS PIPELINE II=1
            const in_T x = in.read();
            for (unsigned p = 0; p < pe; ++p)
                u[b * pe + p] = x.data[p];
            last = x.last;
        }
    rows:
        for (unsigned o = 0; o < gates * hidden; ++o) {
            ap_int<CONFIG::accumulator> sum = 0;
        products:
            for (unsigned w = 0; w < hidden / simd; ++w) {
                #pragma HLS PIPELINE II=1
                for (unsigned s = 0; s < simd; ++s)
                    sum += h[w * simd + s] * weight[o * hidden + w * simd + s];
            }
            const ap_int<CONFIG::sum> total = sum + bias[o];
            v[o] = rescale<product_T>(total, shift[o].to_int());
        }
        out_T y;
    units:
        for (unsigned j = 0; j < hidden; ++j) {
            #pragma HLS PIPELINE II=4
            act_T gate[4];
        gates:
            for (unsigned k = 0; k < (CONFIG::gru ? 2u : 4u); ++k) {
                #pragma HLS UNROLL
                const wide_T sum = wide_T(u[k * hidden + j]) + v[k * hidden + j];
                const ap_int<CONFIG::gate> a = rescale<ap_int<CONFIG::gate> >(sum, to_gate);
                if (!CONFIG::gru && k == 1)
                    gate[k] = lines<act_T, candidate_T>::apply(a, 0, ck, cs, co, ch);
                else
                    gate[k] = lines<act_T, sigmoid_T>::apply(a, 0, sk, ss, so, sh);
            }
            if (CONFIG::gru) {
                const wide_T mixed = wide_T(wide_T(u[2 * hidden + j]) << act) + gate[0] * v[2 * hidden + j];
                const argument_T a = rescale<argument_T>(mixed, to_argument);
                const act_T n = lines<act_T, tanh_T>::apply(a, 0, tk, ts, to, th);
                const wide_T gap = wide_T(wide_T(state[j]) << state_align) - wide_T(wide_T(n) << act_align);
                const wide_T blend = wide_T(wide_T(n) << (act_align + act)) + wide_T(gate[1] * gap);
                state[j] = rescale<state_T>(blend, to_state);
                h[j] = rescale<h_T>(wide_T(state[j]), to_out);
            } else {
                const wide_T kept = wide_T(gate[2] * state[j]), fresh = wide_T(gate[0] * gate[1]);
                const wide_T total = wide_T(kept << state_align) + wide_T(fresh << act_align);
                state[j] = rescale<state_T>(total, to_state);
                const argument_T a = rescale<argument_T>(wide_T(state[j]), to_argument);
                const act_T t = lines<act_T, tanh_T>::apply(a, 0, tk, ts, to, th);
                h[j] = rescale<h_T>(wide_T(gate[3] * t), to_out);
            }
            y.data[j % pe] = h[j];
            y.last = last && j + 1 == hidden;
            if (j % pe == pe - 1 && (last || !CONFIG::final))
                out.write(y);
        }
    }
}

} // namespace gatewright

#endif
