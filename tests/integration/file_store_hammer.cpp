#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/file_store.hpp>

#include "run.hpp"

// Counts under the locks of a file_store until it is killed:
//
//     file_store_hammer FOLDER CERTIFICATES LOG SEED
//
// CERTIFICATES is a JSON object of keys and certificates to save under them. Each count that is saved goes to LOG as
// "KEY COUNT TOKEN". Ends with 3 if it sees what the lock should have made impossible.

using namespace evercert;
namespace json = boost::json;

namespace {

asio::awaitable<void> count(store& in, const json::object& certificates, int log, std::mt19937 random) {
    for (;;) {
        const auto& chosen = *std::next(certificates.begin(), random() % certificates.size());
        const std::string key{chosen.key()};
        auto held = co_await in.lock(key, std::chrono::seconds{60});
        const auto stored = co_await in.load(key);
        const auto before = stored ? json::parse(*stored).as_object() : json::object{{"count", 0}, {"token", 0}};
        const auto& choice = chosen.value().get_array();
        auto value = choice[random() % choice.size()].as_object();
        value["count"] = before.at("count").to_number<int>() + 1;
        value["token"] = held.token;
        if (before.at("token").to_number<std::uint64_t>() >= held.token) {
            std::cerr << key << ": the token " << held.token << " is not above the last\n";
            std::exit(3);
        }
        auto text = json::serialize(value);
        co_await in.save(key, std::move(text), held);
        const auto line =
            key + ' ' + std::to_string(value["count"].as_int64()) + ' ' + std::to_string(held.token) + '\n';
        if (::write(log, line.data(), line.size()) < 0)
            std::exit(1);
        co_await in.unlock(std::move(held));
        std::string everybody = "{\"written by\": \"everybody\"}";
        co_await in.save("hosts", std::move(everybody));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5)
        return 2;
    std::ifstream file{argv[2]};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto certificates = json::parse(text).as_object();
    const int log = ::open(argv[3], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    file_store_options options;
    options.lock_poll = std::chrono::milliseconds{1};
    asio::io_context io;
    try {
        const auto store = file_store(argv[1], options);
        test::run_io(io, count(*store, certificates, log, std::mt19937{std::strtoul(argv[4], nullptr, 10)}));
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
