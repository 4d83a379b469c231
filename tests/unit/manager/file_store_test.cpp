#include <filesystem>
#include <iterator>
#include <thread>

#include <asio/co_spawn.hpp>

#include <evercert/file_store.hpp>

#include "catch.hpp"
#include "local_site.hpp"
#include "manager_fixture.hpp"
#include "temp_folder.hpp"

using namespace evercert;

namespace {

std::ptrdiff_t threads() { return std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, {}); }

}  // namespace

TEST_CASE("what one manager obtained, another of the same folder loads") {
    test::temp_folder folder;
    const auto share = [&](manager_options& options) { options.store = file_store(folder.file("store")); };
    test::local_site first{share}, second{share};
    first.start();
    second.start();
    const auto obtained = first.run(first.manager->cert("shared.test"));
    const auto loaded = second.run(second.manager->cert("shared.test"));
    CHECK(loaded->serial() == obtained->serial());
    CHECK(loaded->key() == obtained->key());
    CHECK(first.ca->count("newOrder") == 1);
    CHECK(second.ca->count("newOrder") == 0);
    CHECK(std::filesystem::exists(folder.file("store/certificates/shared.test.pem")));
}

TEST_CASE("a certificate that somebody put into the folder is served, and no CA is asked") {
    test::temp_folder folder;
    asio::io_context io;
    const auto closed = std::make_shared<test::closed_network>();
    manager_options options;
    options.network = closed;
    options.store = file_store(folder.file("store"));
    manager manager{io, std::move(options)};
    test::authority ca{system_clock()->wall() - std::chrono::hours{1}};
    const auto mine = ca.issue({"mine.test"});
    std::filesystem::create_directory(folder.file("store/certificates"));
    test::write_all_to(folder.file("store/certificates/mine.test.pem"), mine->key().to_pem() + mine->chain_pem());
    client_hello hello{"mine.test", {}};
    const auto served = test::run_io(io, manager.get_certificate(std::move(hello)));
    CHECK(served->serial() == mine->serial());
    CHECK(closed->asked == 0);
}

TEST_CASE("a manager that is destroyed while its store works leaves no thread that resumes on a loop that is gone") {
    test::temp_folder folder;
    const auto before = threads();
    for (int i = 0; i < 50; ++i) {
        auto io = std::make_unique<asio::io_context>();
        const auto kept = file_store(folder.file("store"));
        manager_options options;
        options.network = std::make_shared<test::closed_network>();
        options.store = kept;
        auto manager = std::make_unique<evercert::manager>(*io, std::move(options));
        asio::co_spawn(*io, manager->cert("a.test"), [](std::exception_ptr, certificate_ptr) {});
        for (int steps = i % 10; steps > 0 && io->poll_one(); --steps) {
        }
        manager.reset();
        // One that was joined is in /proc for a moment yet.
        for (int tries = 1'000; threads() != before && tries > 0; --tries)
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        CHECK(threads() == before);
        io.reset();
    }
}
