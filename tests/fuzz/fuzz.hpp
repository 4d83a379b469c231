#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include <evercert/error.hpp>

/// What each source of this folder defines: one input, and nothing is kept from one to the next.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// An invariant, also where assert() is off.
inline void must(bool holds, const char* what) {
    if (holds)
        return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

/// What `read` returns, or nothing if it throws an `evercert::error`; another exception ends the program.
template <typename Read>
auto read(Read&& read) -> std::optional<decltype(read())> {
    try {
        return read();
    } catch (const evercert::error& refused) {
        const std::string_view text = refused.what();
        must(!text.empty(), "an error says what it is");
        must(
            std::none_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; }),
            "an error is one printable line");
        must(text.size() < 8192, "an error is not as long as what it complains about");
        return std::nullopt;
    }
}

/// True if `call` returns, false if it throws an `evercert::error`.
template <typename Call>
bool accepts(Call&& call) {
    return read([&] {
               call();
               return true;
           })
        .has_value();
}

}  // namespace fuzz
