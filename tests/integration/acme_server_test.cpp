// The CA inside the process, asked by programs that are not ours.

#include <thread>

#include <asio/io_context.hpp>
#include <boost/json/parse.hpp>

#include <evercert/testing/acme_server.hpp>

#include "catch.hpp"
#include "process.hpp"

namespace {

/// A CA on a thread of its own, for programs that the test waits for.
struct running_ca {
    ~running_ca() {
        ca.stop();
        thread.join();
    }

    std::string curl(std::vector<std::string> arguments) const {
        const std::vector<std::string> base{"curl", "--silent", "--show-error",    "--max-time",
                                            "20",   "--cacert", ca.api_root_file()};
        arguments.insert(arguments.begin(), base.begin(), base.end());
        return test::run_program(arguments);
    }

    asio::io_context io;
    evercert::testing::acme_server ca{io.get_executor()};
    std::thread thread{[this] { io.run(); }};
};

}  // namespace

TEST_CASE("curl reads the directory over HTTPS and follows it") {
    running_ca w;
    const auto directory = boost::json::parse(w.curl({"--fail", w.ca.directory_url()}));
    const std::string new_nonce{directory.at("newNonce").as_string()};
    CHECK(w.curl({"--head", new_nonce}).find("Replay-Nonce: ") != std::string::npos);
    const std::string new_order{directory.at("newOrder").as_string()};
    CHECK(w.curl({"--write-out", "%{http_code}", "--output", "/dev/null", new_order}) == "405");
    CHECK(w.ca.count("directory") == 1);
    CHECK(w.ca.count("newNonce") == 1);
    CHECK(w.ca.count("newOrder") == 1);
}

TEST_CASE("curl does not trust the CA without its root") {
    running_ca w;
    CHECK_THROWS(test::run_program({"curl", "--silent", "--max-time", "20", w.ca.directory_url()}));
    CHECK(w.ca.count("directory") == 0);
}
