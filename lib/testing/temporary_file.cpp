#include "testing/temporary_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <stdlib.h>
#include <unistd.h>

#include <evercert/error.hpp>

namespace evercert::testing {

namespace {

constexpr std::string_view suffix = ".pem";

[[noreturn]] void fail(const std::string& path) {
    throw error{
        errc::store_failed, "cannot write the temporary file " + path + ": " + std::generic_category().message(errno)};
}

bool write_all(int descriptor, std::string_view content) {
    while (!content.empty()) {
        const auto written = ::write(descriptor, content.data(), content.size());
        if (written < 0)
            return false;
        content.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

temporary_file::temporary_file(std::string_view content)
    : path_{(std::filesystem::temp_directory_path() / "evercert-XXXXXX").string().append(suffix)} {
    const int descriptor = ::mkostemps(path_.data(), suffix.size(), O_CLOEXEC);
    if (descriptor < 0)
        fail(path_);
    const bool written = write_all(descriptor, content);
    if (::close(descriptor) != 0 || !written) {
        const int why = errno;
        ::unlink(path_.c_str());
        errno = why;
        fail(path_);
    }
}

temporary_file::~temporary_file() { ::unlink(path_.c_str()); }

}  // namespace evercert::testing
