#pragma once

#include <csignal>
#include <sys/resource.h>

namespace test {

/// A full disk: no file of this process can grow beyond `bytes`.
class file_size_limit {
public:
    explicit file_size_limit(rlim_t bytes) {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit limited = before_;
        limited.rlim_cur = bytes;
        std::signal(SIGXFSZ, SIG_IGN);
        ::setrlimit(RLIMIT_FSIZE, &limited);
    }
    ~file_size_limit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
    file_size_limit(const file_size_limit&) = delete;

private:
    rlimit before_;
};

/// No file can be opened any more.
class open_file_limit {
public:
    open_file_limit() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit limited = before_;
        limited.rlim_cur = 3;
        ::setrlimit(RLIMIT_NOFILE, &limited);
    }
    ~open_file_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    open_file_limit(const open_file_limit&) = delete;

private:
    rlimit before_;
};

}  // namespace test
