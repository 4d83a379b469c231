#pragma once

#include <cstddef>
#include <fstream>
#include <string>
#include <unistd.h>

#include <malloc.h>

namespace test {

/// Bytes of this process that are in memory now, after what was freed has been given back.
inline std::size_t resident_memory() {
    ::malloc_trim(0);
    std::ifstream statm{"/proc/self/statm"};
    std::size_t total = 0, resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// What the kernel has for all TCP sockets of this machine.
inline std::size_t kernel_socket_memory() {
    std::ifstream sockstat{"/proc/net/sockstat"};
    std::size_t pages = 0;
    for (std::string word; sockstat >> word;)
        if (word == "mem" && sockstat >> pages)
            break;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Memory that was freed is kept by AddressSanitizer, so what is resident says little about what is used.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool memory_can_be_measured = false;
#elif defined(__has_feature)
inline constexpr bool memory_can_be_measured = !__has_feature(address_sanitizer);
#else
inline constexpr bool memory_can_be_measured = true;
#endif

}  // namespace test
