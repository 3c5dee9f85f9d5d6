// SPDX-License-Identifier: Apache-2.0
// The C side of a C simulation: int64 arrays in and out, errors as text.
#ifndef GATEWRIGHT_HOST_HPP
#define GATEWRIGHT_HOST_HPP

#include "../stream.hpp"
#include <stdexcept>
#include <string>

namespace gatewright {

template <class T, std::size_t N> void fill(T (&table)[N], const long long *values) {
    for (std::size_t i = 0; i < N; ++i)
        table[i] = values[i];
}

/// Write `count` elements as one sequence.
template <class T> void feed(const long long *values, int count, hls::stream<T> &out) {
    for (int i = 0; i < count; i += T::size) {
        T x;
        for (unsigned j = 0; j < T::size; ++j)
            x.data[j] = values[i + j];
        x.last = i + int(T::size) >= count;
        out.write(x);
    }
}

/// Read one sequence of at most `room` elements; returns how many came.
template <class T> int collect(hls::stream<T> &in, long long *values, int room) {
    int count = 0;
    bool last = false;
    while (!last) {
        const T x = in.read();
        if (count + int(T::size) > room)
            throw std::runtime_error("more results than expected: " + std::to_string(room) + " elements and no last");
        for (unsigned j = 0; j < T::size; ++j)
            values[count++] = x.data[j].to_int64();
        last = x.last;
    }
    return count;
}

typedef void (*load_function)(int table, const long long *values);
typedef void (*run_function)(const long long *const *in, const int *tokens, long long *const *out, const int *room,
                             int *produced);

} // namespace gatewright

/// The exported functions, over arrays of `load_function` and `run_function`.
#define GATEWRIGHT_HOST(LOADS, RUNS)                                                                                   \
    extern "C" void gatewright_load(int program, int table, const long long *values) { LOADS[program](table, values); } \
    extern "C" const char *gatewright_run(int program, const long long *const *in, const int *tokens,                  \
                                          long long *const *out, const int *room, int *produced) {                     \
        static std::string problem;                                                                                    \
        try {                                                                                                          \
            RUNS[program](in, tokens, out, room, produced);                                                            \
            return 0;                                                                                                  \
        } catch (const std::exception &error) {                                                                        \
            problem = error.what();                                                                                    \
            return problem.c_str();                                                                                    \
        }                                                                                                              \
    }

#endif
