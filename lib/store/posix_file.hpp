#pragma once

#include <cerrno>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

namespace evercert {

/// Throws `errc::store_failed`: "cannot WHAT PATH: REASON", and what to do where the reason tells.
[[noreturn]] void throw_file_error(std::string_view what, const std::string& path, int reason = errno);

/// A file descriptor and its owner.
class descriptor {
public:
    descriptor() = default;
    explicit descriptor(int fd) : fd_{fd} {}
    descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    descriptor& operator=(descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }

    explicit operator bool() const { return fd_ >= 0; }
    int get() const { return fd_; }
    /// Some file systems report a full disk only here.
    void close(const std::string& path) {
        if (::close(std::exchange(fd_, -1)) != 0)
            throw_file_error("close", path);
    }

private:
    int fd_ = -1;
};

/// All of it, or an error.
void write_whole(int fd, std::string_view content, const std::string& path);

/// To the end. Throws `errc::store_failed` for more than `size_max` bytes.
std::string read_whole(int fd, std::size_t size_max, const std::string& path);

}  // namespace evercert
