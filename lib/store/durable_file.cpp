#include "store/durable_file.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "store/posix_file.hpp"

namespace evercert {
namespace {

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
        throw_file_error("keep the previous generation of", path);
    }
    const beside unfinished{fresh};
    if (::rename(fresh.c_str(), kept.c_str()) != 0)
        throw_file_error("keep the previous generation of", path);
}

}  // namespace

std::optional<std::string> read_file(const std::string& path, std::size_t size_max) {
    const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (file.get() < 0) {
        if (errno == ENOENT)
            return {};
        throw_file_error("open", path);
    }
    return read_whole(file.get(), size_max, path);
}

void replace_file(const std::string& path, std::string_view content) {
    const auto fresh = path + ".new";
    ::unlink(fresh.c_str());  // of a run that was killed while it wrote
    descriptor file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (file.get() < 0)
        throw_file_error("create", fresh);
    beside unfinished{fresh};
    write_whole(file.get(), content, fresh);
    if (::fsync(file.get()) != 0)
        throw_file_error("fsync", fresh);
    file.close(fresh);
    keep_previous(path);
    if (::rename(fresh.c_str(), path.c_str()) != 0)
        throw_file_error("replace", path);
    unfinished.became_real();
    const auto folder = folder_of(path);
    const descriptor parent{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (parent.get() < 0 || ::fsync(parent.get()) != 0)
        throw_file_error("fsync", folder);
}

}  // namespace evercert
