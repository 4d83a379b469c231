#include "store/durable_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {
namespace {

[[noreturn]] void failed(std::string_view what, const std::string& path) {
    const auto reason = std::generic_category().message(errno);
    throw error{errc::store_failed, fmt::format("cannot {} {}: {}", what, path, reason)};
}

class descriptor {
public:
    explicit descriptor(int fd) : fd_{fd} {}
    ~descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    descriptor(const descriptor&) = delete;
    int get() const { return fd_; }
    /// Some file systems report a full disk only here.
    void close(const std::string& path) {
        const int fd = fd_;
        fd_ = -1;
        if (::close(fd) != 0)
            failed("close", path);
    }

private:
    int fd_;
};

/// The file that is being written: unlinked unless it became the real one.
class beside {
public:
    explicit beside(std::string path) : path_{std::move(path)} {}
    ~beside() {
        if (!path_.empty())
            ::unlink(path_.c_str());
    }
    beside(const beside&) = delete;
    void became_real() { path_.clear(); }

private:
    std::string path_;
};

void write_whole(int fd, std::string_view content, const std::string& path) {
    while (!content.empty()) {
        const auto written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno != EINTR)
            failed("write", path);
        if (written > 0)
            content.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos)
        return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

void keep_previous(const std::string& path) {
    const auto kept = path + ".previous", fresh = path + ".previous.new";
    ::unlink(fresh.c_str());
    if (::link(path.c_str(), fresh.c_str()) != 0) {
        if (errno == ENOENT)
            return;  // the first generation
        failed("keep the previous generation of", path);
    }
    const beside unfinished{fresh};
    if (::rename(fresh.c_str(), kept.c_str()) != 0)
        failed("keep the previous generation of", path);
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, std::size_t size_max) {
    const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) {
        if (errno == ENOENT)
            return {};
        failed("open", path);
    }
    std::string content;
    char buffer[64 << 10];
    for (;;) {
        const auto size = ::read(file.get(), buffer, sizeof buffer);
        if (size == 0)
            return content;
        if (size < 0 && errno != EINTR)
            failed("read", path);
        if (size > 0)
            content.append(buffer, static_cast<std::size_t>(size));
        if (content.size() > size_max)
            throw error{errc::store_failed, fmt::format("{} is larger than {} bytes", path, size_max)};
    }
}

void replace_file(const std::string& path, std::string_view content) {
    const auto fresh = path + ".new";
    ::unlink(fresh.c_str());  // of a run that was killed while it wrote
    descriptor file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (file.get() < 0)
        failed("create", fresh);
    beside unfinished{fresh};
    write_whole(file.get(), content, fresh);
    if (::fsync(file.get()) != 0)
        failed("fsync", fresh);
    file.close(fresh);
    keep_previous(path);
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        failed("replace", path);
    unfinished.became_real();
    const auto folder = folder_of(path);
    const descriptor parent{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (parent.get() < 0 || ::fsync(parent.get()) != 0)
        failed("fsync", folder);
}

}  // namespace evercert
