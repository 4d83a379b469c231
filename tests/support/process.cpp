#include "process.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <netinet/in.h>
#include <random>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace test {
namespace {

constexpr int exit_not_installed = 127;

/// Between fork and exec only what is async-signal-safe: everything is prepared before.
pid_t start(const std::vector<std::string>& arguments, const process::environment& extra, int out, int err) {
    std::vector<char*> argv;
    for (auto& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);

    std::vector<std::string> variables;
    for (char** variable = environ; *variable; ++variable)
        variables.emplace_back(*variable);
    for (auto& [name, value] : extra)
        variables.push_back(name + "=" + value);
    std::vector<char*> envp;
    for (auto& variable : variables)
        envp.push_back(variable.data());
    envp.push_back(nullptr);

    auto pid = fork();
    if (pid < 0)
        throw std::runtime_error{std::string{"fork: "} + std::strerror(errno)};
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(exit_not_installed);
}

int open_log(const std::string& path) {
    auto file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0)
        throw std::runtime_error{path + ": " + std::strerror(errno)};
    return file;
}

bool can_bind(std::uint16_t port, int type) {
    auto fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return bound;
}

/// The inodes of the sockets that are bound to the port; for TCP, that listen there.
std::vector<std::string> bound_sockets(std::uint16_t port, bool tcp) {
    std::vector<std::string> inodes;
    for (std::string table : {tcp ? "/proc/net/tcp" : "/proc/net/udp", tcp ? "/proc/net/tcp6" : "/proc/net/udp6"}) {
        std::ifstream lines{table};
        std::string line;
        std::getline(lines, line);
        while (std::getline(lines, line)) {
            std::istringstream words{line};
            std::vector<std::string> word{std::istream_iterator<std::string>{words}, {}};
            if (word.size() < 10 || (tcp && word[3] != "0A"))
                continue;
            auto colon = word[1].rfind(':');
            if (std::stoul(word[1].substr(colon + 1), nullptr, 16) == port)
                inodes.push_back("socket:[" + word[9] + "]");
        }
    }
    return inodes;
}

}  // namespace

process::process(const std::vector<std::string>& arguments, const environment& extra, std::string log_file)
    : log_file_{std::move(log_file)} {
    auto log = open_log(log_file_);
    pid_ = start(arguments, extra, log, log);
    close(log);
}

process::process(process&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}, log_file_{std::move(other.log_file_)} {}

process& process::operator=(process&& other) noexcept {
    stop();
    pid_ = std::exchange(other.pid_, -1);
    log_file_ = std::move(other.log_file_);
    return *this;
}

bool process::is_running() {
    if (pid_ < 0)
        return false;
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0)
        return true;
    pid_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == exit_not_installed)
        throw std::runtime_error{"a program that the tests need is missing; tools/setup --test installs it"};
    return false;
}

bool process::owns_port(std::uint16_t port, bool tcp) const {
    auto wanted = bound_sockets(port, tcp);
    std::error_code ignored;
    for (auto& descriptor : std::filesystem::directory_iterator{"/proc/" + std::to_string(pid_) + "/fd", ignored}) {
        auto target = std::filesystem::read_symlink(descriptor.path(), ignored).string();
        for (auto& socket : wanted)
            if (socket == target)
                return true;
    }
    return false;
}

std::string process::log() const { return read_file(log_file_); }

void process::signal(int number) noexcept {
    if (pid_ > 0)
        kill(pid_, number);
}

int process::wait(std::chrono::milliseconds limit) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > deadline)
            throw std::runtime_error{"a program did not end in time; it said: " + log()};
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void process::stop() noexcept {
    if (pid_ < 0)
        return;
    kill(pid_, SIGTERM);
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{2};
    while (waitpid(pid_, nullptr, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > deadline)
            kill(pid_, SIGKILL);
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    pid_ = -1;
}

std::string run_program(const std::vector<std::string>& arguments) {
    temporary_folder folder;
    auto out = open_log(folder / "out");
    auto err = open_log(folder / "err");
    auto pid = start(arguments, {}, out, err);
    close(out);
    close(err);
    int status = 0;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        throw std::runtime_error{
            arguments.front() + " failed (" + std::to_string(status) + "): " + read_file(folder / "err")};
    return read_file(folder / "out");
}

temporary_folder::temporary_folder() {
    path_ = (std::filesystem::temp_directory_path() / "evercert-test-XXXXXX").string();
    if (!mkdtemp(path_.data()))
        throw std::runtime_error{path_ + ": " + std::strerror(errno)};
}

temporary_folder::~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

void write_file(const std::string& path, const std::string& content) {
    std::ofstream file{path, std::ios::binary};
    if (!(file << content).flush())
        throw std::runtime_error{"cannot write " + path};
}

std::uint16_t free_port() {
    static std::mt19937 random{std::random_device{}()};
    std::uniform_int_distribution<int> ports{10000, 32000};
    for (int i = 0; i < 1000; ++i) {
        auto port = static_cast<std::uint16_t>(ports(random));
        if (can_bind(port, SOCK_STREAM) && can_bind(port, SOCK_DGRAM))
            return port;
    }
    throw std::runtime_error{"no free port on 127.0.0.1"};
}

}  // namespace test
