#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace test {

/// A program that runs beside the test and ends with it. It also ends when the thread that started it
/// does: start it from the test's main thread.
class process {
public:
    using environment = std::vector<std::pair<std::string, std::string>>;

    process() = default;
    /// What it prints goes to `log_file`, which is added to. Throws if the program is not installed.
    process(const std::vector<std::string>& arguments, const environment& extra, std::string log_file);
    ~process() { stop(); }
    process(process&& other) noexcept;
    process& operator=(process&& other) noexcept;

    bool is_running();
    /// True once the program itself listens on this port of 127.0.0.1 (for UDP: has bound it).
    bool listens_on_tcp(std::uint16_t port) const { return owns_port(port, true); }
    bool listens_on_udp(std::uint16_t port) const { return owns_port(port, false); }
    std::string log() const;

    /// Send a signal, such as SIGTERM.
    void signal(int number) noexcept;
    /// Wait for its end: its exit status, or 128 and the signal that ended it. Throws if it still runs after `limit`.
    int wait(std::chrono::milliseconds limit);

    /// SIGTERM, and SIGKILL for those who do not obey within two seconds.
    void stop() noexcept;

private:
    bool owns_port(std::uint16_t port, bool tcp) const;

    pid_t pid_ = -1;
    std::string log_file_;
};

/// Run a program to its end and return what it wrote to standard output. Throws, with what it wrote to
/// standard error, unless it ends with 0.
std::string run_program(const std::vector<std::string>& arguments);

/// A folder of its own that is removed with the object.
class temporary_folder {
public:
    temporary_folder();
    ~temporary_folder();
    temporary_folder(const temporary_folder&) = delete;
    temporary_folder& operator=(const temporary_folder&) = delete;

    const std::string& path() const noexcept { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

std::string read_file(const std::string& path);
void write_file(const std::string& path, const std::string& content);

/// A port of 127.0.0.1 that was free a moment ago, for TCP and UDP; below the range that outgoing connections
/// take theirs from. For programs that cannot be told to take port 0; whoever uses it tries again if it was taken
/// meanwhile.
std::uint16_t free_port();

}  // namespace test
