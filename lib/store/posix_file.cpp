#include "store/posix_file.hpp"

#include <system_error>

#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {
namespace {

const char* advice(int reason) {
    switch (reason) {
    case ENOSPC:
    case EDQUOT: return "; free some space, it is tried again";
    case EROFS: return "; mount it for writing";
    case EACCES:
    case EPERM: return "; give the user of this process access";
    case EMFILE:
    case ENFILE: return "; raise the limit on open files (ulimit -n)";
    case ELOOP: return "; a symbolic link is not followed here, put the file itself there";
    default: return "";
    }
}

}  // namespace

void throw_file_error(std::string_view what, const std::string& path, int reason) {
    throw error{
        errc::store_failed,
        fmt::format("cannot {} {}: {}{}", what, path, std::generic_category().message(reason), advice(reason))};
}

void write_whole(int fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const auto written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno != EINTR)
            throw_file_error("write", path);
        if (written > 0)
            content.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string read_whole(int fd, std::size_t size_max, const std::string& path) {
    std::string content;
    char buffer[64 << 10];
    for (;;) {
        const auto size = ::read(fd, buffer, sizeof buffer);
        if (size == 0)
            return content;
        if (size < 0 && errno != EINTR)
            throw_file_error("read", path);
        if (size > 0)
            content.append(buffer, static_cast<std::size_t>(size));
        if (content.size() > size_max)
            throw error{errc::store_failed, fmt::format("{} is larger than {} bytes", path, size_max)};
    }
}

}  // namespace evercert
