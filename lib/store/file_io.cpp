#include "store/file_io.hpp"

#include <cerrno>

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

void throw_file_error(std::string_view what, const std::string& path, const std::error_code& reason) {
    throw error{
        errc::store_failed, fmt::format("cannot {} {}: {}{}", what, path, reason.message(), advice(reason.value()))};
}

bool has_no_links(const std::error_code& failed) noexcept {
    return failed == std::errc::operation_not_permitted || failed == std::errc::permission_denied ||
        failed == std::errc::operation_not_supported || failed == std::errc::too_many_links;
}

void write_whole(disk_file& file, std::string_view content, const std::string& path) {
    std::error_code failed;
    for (std::size_t at = 0; at < content.size();) {
        at += file.write(at, content.substr(at), failed);
        check_file(failed, "write", path);
    }
}

std::string read_whole(disk_file& file, std::size_t size_max, const std::string& path) {
    std::string content;
    char buffer[64 << 10];
    for (;;) {
        std::error_code failed;
        const auto size = file.read(content.size(), buffer, failed);
        check_file(failed, "read", path);
        if (size == 0)
            return content;
        content.append(buffer, size);
        if (content.size() > size_max)
            throw error{errc::store_failed, fmt::format("{} is larger than {} bytes", path, size_max)};
    }
}

}  // namespace evercert
