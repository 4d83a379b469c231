#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <iostream>
#include <random>
#include <unistd.h>

#include <evercert/evercert.hpp>
#include <evercert/file_store.hpp>

#include "base/outcome.hpp"
#include "run.hpp"

// A manager that wants certificates for a list of names, and keeps them until it is killed:
//
//     manager_hammer FOLDER DIRECTORY_URL CA_FILE LOG SEED NAME...
//
// When it has all of them it writes "NAME SERIAL" to LOG for each, then "all". Ends with 1, and says why, if it does not get
// one. Whoever starts it answers the validations.

using namespace evercert;

namespace {

asio::awaitable<void> want(manager& by, const std::vector<identifier>& names, int log) {
    std::vector<std::unique_ptr<test::started<certificate_ptr>>> asked;
    const auto executor = co_await asio::this_coro::executor;
    for (const auto& name : names)
        asked.push_back(std::make_unique<test::started<certificate_ptr>>(executor, by.cert(name)));
    std::string lines;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto got = co_await as_outcome(asked[i]->join());
        if (got.thrown)
            std::rethrow_exception(got.thrown);
        lines += names[i].value() + ' ' + (*got.value)->serial() + '\n';
    }
    lines += "all\n";
    if (::write(log, lines.data(), lines.size()) < 0)
        throw std::runtime_error{"the log cannot be written"};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 7)
        return 2;
    const int log = ::open(argv[4], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    try {
        std::vector<identifier> names;
        for (int i = 6; i < argc; ++i)
            names.emplace_back(argv[i]);
        std::shuffle(names.begin(), names.end(), std::mt19937{std::strtoul(argv[5], nullptr, 10)});

        file_store_options files;
        files.lock_poll = std::chrono::milliseconds{1};
        manager_options options;
        options.store = file_store(argv[1], files);
        options.directory_url = argv[2];
        options.http.ca_file = argv[3];
        options.challenges = {challenge_type::http_01};
        options.orders = {std::chrono::seconds{0}, 1};
        options.new_hosts = {std::chrono::seconds{0}, 1};
        options.order_ceiling = {};
        options.log.sink = [](log_level, std::string_view text) { std::cerr << ::getpid() << ' ' << text << '\n'; };

        asio::io_context io;
        manager manager{io, std::move(options)};
        asio::co_spawn(io, manager.run(), rethrow);
        asio::co_spawn(io, want(manager, names, log), rethrow);
        io.run();
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
