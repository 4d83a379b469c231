#pragma once

#include <cstddef>
#include <filesystem>
#include <iterator>

namespace test {

/// How many file descriptors this process has open (one more for the look itself, always).
inline std::size_t open_descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, std::filesystem::directory_iterator{}));
}

}  // namespace test
