// SPDX-License-Identifier: Apache-2.0
// Random words from ChaCha20 (RFC 8439): the keystream of nonce {stream (u32), query (u64)}, block counter from 0.
#ifndef GATEWRIGHT_SECURE_RANDOM_HPP
#define GATEWRIGHT_SECURE_RANDOM_HPP

#include "stream.hpp"

namespace gatewright {

typedef ap_uint<32> chacha_word;

inline chacha_word rotated(chacha_word x, int by) { return chacha_word(x << by) | chacha_word(x >> (32 - by)); }

inline void quarter_round(chacha_word &a, chacha_word &b, chacha_word &c, chacha_word &d) {
    #pragma HLS INLINE
    a += b;
    d = rotated(d ^ a, 16);
    c += d;
    b = rotated(b ^ c, 12);
    a += b;
    d = rotated(d ^ a, 8);
    c += d;
    b = rotated(b ^ c, 7);
}

/// One block: state + 20 rounds(state).
inline void chacha_block(const chacha_word key[8], const chacha_word nonce[3], chacha_word counter, chacha_word block[16]) {
    chacha_word start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (int i = 0; i < 8; ++i)
        start[4 + i] = key[i];
    start[12] = counter;
    for (int i = 0; i < 3; ++i)
        start[13 + i] = nonce[i];
    for (int i = 0; i < 16; ++i)
        block[i] = start[i];
rounds:
    for (int r = 0; r < 20; ++r) {
        #pragma HLS PIPELINE II=1
        // Odd rounds work on diagonals: row k is turned by k columns.
        for (int c = 0; c < 4; ++c) {
            #pragma HLS UNROLL
            const int turn = r & 1;
            quarter_round(block[c], block[4 + (c + turn) % 4], block[8 + (c + 2 * turn) % 4], block[12 + (c + 3 * turn) % 4]);
        }
    }
    for (int i = 0; i < 16; ++i)
        block[i] += start[i];
}

/// `words` elements of one stream and query, little-endian, `last` on the final one.
template <class out_T>
void secure_random(const chacha_word key[8], chacha_word stream, ap_uint<64> query, unsigned words, hls::stream<out_T> &out) {
    static_assert(out_T::size == 1, "one word per beat");
    typedef typename out_T::value_type word;
    static_assert(word::width == 32 || word::width == 64, "words of 32 or 64 bits");
    const unsigned parts = word::width / 32, per_block = 16 / parts;
    const chacha_word nonce[3] = {stream, chacha_word(query), chacha_word(query >> 32)};
    chacha_word block[16];
words:
    for (unsigned i = 0; i < words; ++i) {
        if (i % per_block == 0)
            chacha_block(key, nonce, i / per_block, block);
        out_T beat;
        beat.data[0] = 0;
        for (unsigned p = 0; p < parts; ++p)
            beat.data[0] |= word(block[i % per_block * parts + p]) << (32 * p);
        beat.last = i + 1 == words;
        out.write(beat);
    }
}

} // namespace gatewright

#endif
