#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <dirent.h>

#include <evercert/disk.hpp>

namespace evercert {
namespace {

std::error_code last_error() { return {errno, std::generic_category()}; }

void report(bool done, std::error_code& failed) { failed = done ? std::error_code{} : last_error(); }

/// A file descriptor and its owner.
class descriptor {
public:
    explicit descriptor(int fd) : fd_{fd} {}
    descriptor(descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    ~descriptor() {
        if (fd_ >= 0)
            ::close(fd_);
    }
    descriptor& operator=(descriptor&&) = delete;

    explicit operator bool() const { return fd_ >= 0; }
    int get() const { return fd_; }
    int release() { return std::exchange(fd_, -1); }

private:
    int fd_;
};

class system_file final : public disk_file {
public:
    explicit system_file(descriptor fd) : fd_{std::move(fd)} {}
    int get() const { return fd_.get(); }

    std::size_t read(std::uint64_t at, std::span<char> into, std::error_code& failed) override {
        return repeat([&] { return ::pread(get(), into.data(), into.size(), static_cast<off_t>(at)); }, failed);
    }
    std::size_t write(std::uint64_t at, std::string_view content, std::error_code& failed) override {
        return repeat([&] { return ::pwrite(get(), content.data(), content.size(), static_cast<off_t>(at)); }, failed);
    }
    file_info info(std::error_code& failed) override {
        struct stat now = {};
        report(::fstat(get(), &now) == 0, failed);
        file_info result;
        result.size = static_cast<std::uint64_t>(now.st_size);
        result.modified =
            wall_time{std::chrono::seconds{now.st_mtim.tv_sec} + std::chrono::nanoseconds{now.st_mtim.tv_nsec}};
        return result;
    }
    void clear(std::error_code& failed) override { report(::ftruncate(get(), 0) == 0, failed); }
    void sync(std::error_code& failed) override { report(::fsync(get()) == 0, failed); }
    void close(std::error_code& failed) override { report(::close(fd_.release()) == 0, failed); }
    bool try_lock(std::error_code& failed) override {
        repeat([&] { return ::flock(get(), LOCK_EX | LOCK_NB); }, failed);
        if (failed != std::errc::operation_would_block)
            return !failed;
        failed.clear();
        return false;
    }

private:
    template <typename Call>
    static std::size_t repeat(Call call, std::error_code& failed) {
        for (;;) {
            const auto result = call();
            if (result < 0 && errno == EINTR)
                continue;
            report(result >= 0, failed);
            return result < 0 ? 0 : static_cast<std::size_t>(result);
        }
    }

    descriptor fd_;
};

struct close_folder {
    void operator()(DIR* open) const { ::closedir(open); }
};

class system_folder final : public disk_folder {
public:
    explicit system_folder(descriptor fd) : fd_{std::move(fd)} {}

    std::unique_ptr<disk_folder> open_folder(const std::string& name, std::error_code& failed) override {
        descriptor fd{::openat(get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
        report(bool{fd}, failed);
        return fd ? std::make_unique<system_folder>(std::move(fd)) : nullptr;
    }
    void create_folder(const std::string& name, std::error_code& failed) override {
        report(::mkdirat(get(), name.c_str(), 0700) == 0, failed);
    }
    std::unique_ptr<disk_file> open_file(const std::string& name, file_use use, std::error_code& failed) override {
        // O_NONBLOCK: a pipe of that name must not hold us up.
        descriptor fd{
            ::openat(get(), name.c_str(), flags_of(use) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, S_IRUSR | S_IWUSR)};
        struct stat info = {};
        report(fd && ::fstat(fd.get(), &info) == 0, failed);
        if (!failed && !S_ISREG(info.st_mode))
            failed = std::make_error_code(std::errc::is_a_directory);
        return failed ? nullptr : std::make_unique<system_file>(std::move(fd));
    }

    void rename(const std::string& from, disk_folder& to, const std::string& name, std::error_code& failed) override {
        report(::renameat(get(), from.c_str(), fd_of(to), name.c_str()) == 0, failed);
    }
    void link(const std::string& from, disk_folder& to, const std::string& name, std::error_code& failed) override {
        report(::linkat(get(), from.c_str(), fd_of(to), name.c_str(), 0) == 0, failed);
    }
    void remove(const std::string& name, std::error_code& failed) override {
        report(::unlinkat(get(), name.c_str(), 0) == 0, failed);
    }
    void sync(std::error_code& failed) override {
        // EINVAL: a file system that keeps folders durable by itself, or not at all.
        report(::fsync(get()) == 0 || errno == EINVAL, failed);
    }

    bool has(const std::string& name, const disk_file& file) override {
        struct stat there = {}, ours = {};
        return ::fstatat(get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
            ::fstat(static_cast<const system_file&>(file).get(), &ours) == 0 && there.st_ino == ours.st_ino &&
            there.st_dev == ours.st_dev;
    }
    std::vector<entry> entries(std::size_t entries_max, std::error_code& failed) override {
        descriptor copy{::openat(get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        const std::unique_ptr<DIR, close_folder> open{copy ? ::fdopendir(copy.get()) : nullptr};
        report(open != nullptr, failed);
        std::vector<entry> found;
        if (failed)
            return found;
        copy.release();
        for (;;) {
            errno = 0;
            const auto* next = ::readdir(open.get());
            if (!next) {
                report(errno == 0, failed);
                return found;
            }
            if (next->d_name[0] == '.')
                continue;
            if (found.size() == entries_max) {
                failed = std::make_error_code(std::errc::value_too_large);
                return found;
            }
            found.push_back({next->d_name, is_folder(*next)});
        }
    }
    folder_owner owner(std::error_code& failed) override {
        struct stat info = {};
        report(::fstat(get(), &info) == 0, failed);
        return {info.st_uid, info.st_mode & 07777, ::geteuid()};
    }
    void check_writable(std::error_code& failed) override {
        report(::faccessat(get(), ".", W_OK | X_OK, AT_EACCESS) == 0, failed);
    }

private:
    int get() const { return fd_.get(); }
    static int fd_of(disk_folder& other) { return static_cast<system_folder&>(other).get(); }
    static int flags_of(file_use use) {
        switch (use) {
        case file_use::update: return O_RDWR | O_CREAT;
        case file_use::create: return O_WRONLY | O_CREAT | O_EXCL;
        default: return O_RDONLY;
        }
    }
    bool is_folder(const dirent& found) const {
        if (found.d_type != DT_UNKNOWN)
            return found.d_type == DT_DIR;
        struct stat info = {};
        return ::fstatat(get(), found.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
    }

    descriptor fd_;
};

class system_disk_type final : public disk {
public:
    std::unique_ptr<disk_folder> open_folder(const std::string& path, std::error_code& failed) override {
        descriptor fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        report(bool{fd}, failed);
        return fd ? std::make_unique<system_folder>(std::move(fd)) : nullptr;
    }
    void create_folder(const std::string& path, std::error_code& failed) override {
        report(::mkdir(path.c_str(), 0700) == 0, failed);
    }
    std::unique_ptr<disk_file> open_file(const std::string& path, std::error_code& failed) override {
        descriptor fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
        report(bool{fd}, failed);
        return fd ? std::make_unique<system_file>(std::move(fd)) : nullptr;
    }
    disk_user user() const override {
        std::array<char, 256> host = {};
        ::gethostname(host.data(), host.size() - 1);
        return {::getpid(), host.data()};
    }
};

}  // namespace

std::shared_ptr<disk> system_disk() noexcept {
    static const auto only = std::make_shared<system_disk_type>();
    return only;
}

}  // namespace evercert
