#include <evercert/testing/simulated_disk.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "clients.hpp"
#include "manager/file_look.hpp"
#include "simulated_site.hpp"

using namespace evercert;
using namespace std::chrono_literals;
using std::chrono::days;

namespace {

const std::string chain_path = "/pki/chain.pem", key_path = "/pki/key.pem";

/// A server whose operator keeps a certificate in two files.
struct fixture : test::simulated_site {
    explicit fixture(std::shared_ptr<testing::simulated_disk> drive = std::make_shared<testing::simulated_disk>())
        : simulated_site{[drive](auto& options) { options.disk = drive->process(); }}, disk{std::move(drive)} {
        disk->create_folder("/pki");
        manager->set_hosts({});
        put(first);
        manager->add_certificate_files(chain_path, key_path);
        start();
    }
    certificate_ptr issue(duration lifetime = days{90}) {
        return ca_of_mine.issue({"x.test"}, {clock->wall() - 1h, clock->wall() + lifetime});
    }
    void put(const certificate_ptr& own) {
        disk->put(chain_path, own->chain_pem());
        disk->put(key_path, own->key().to_pem());
    }
    bool serves(const certificate_ptr& own) {
        const auto got = ask("x.test");
        return got && got->serial() == own->serial();
    }
    int failures() { return heard(event_type::failed); }

    std::shared_ptr<testing::simulated_disk> disk;
    test::authority ca_of_mine{clock->wall()};
    certificate_ptr first = issue();
};

file_look::digest numbered(unsigned char which) { return {which}; }

}  // namespace

TEST_CASE("files are used when they look the same twice after a change, and told of once") {
    using enum file_look::verdict;
    file_look look{numbered(1)};
    CHECK(look.look(numbered(1)) == unchanged);
    CHECK(look.look(numbered(2)) == look_again);
    CHECK(look.look(numbered(3)) == look_again);
    CHECK(look.look(numbered(3)) == changed);
    CHECK(look.look(numbered(3)) == unchanged);
    CHECK(look.look(numbered(4)) == look_again);
    CHECK(look.look(numbered(3)) == unchanged);
    CHECK(look.look(numbered(4)) == look_again);
}

TEST_CASE("a certificate's files are read at once, and again when they have changed") {
    fixture site;
    CHECK(site.serves(site.first));
    CHECK(site.status("x.test").reason.find(chain_path) != std::string::npos);
    site.pass(days{1});
    CHECK(site.heard(event_type::loaded) == 0);
    const auto second = site.issue(days{20});  // that it ends sooner is the operator's business
    site.put(second);
    site.pass(2min);
    CHECK(site.serves(second));
    CHECK(site.heard(event_type::loaded) == 1);
    CHECK(site.heard().back().text == chain_path);
    CHECK(site.failures() == 0);
    CHECK(site.requests() == 0);
}

TEST_CASE("a file that is half-written or damaged keeps the one before, and that is said once") {
    fixture site;
    const auto second = site.issue();
    const auto chain = second->chain_pem();
    site.disk->put(key_path, second->key().to_pem());
    SECTION("the key is another one's") { site.disk->put(chain_path, site.first->chain_pem()); }
    SECTION("the chain is cut off") { site.disk->put(chain_path, chain.substr(0, chain.size() - 40)); }
    SECTION("the chain is empty") { site.disk->put(chain_path, ""); }
    SECTION("there is no PEM in it") { site.disk->put(chain_path, std::string(5000, 'x')); }
    SECTION("it is too large for a certificate") { site.disk->put(chain_path, std::string(300 << 10, 'x')); }
    SECTION("the disk does not answer") { site.disk->fail(testing::simulated_disk::fault::broken); }
    site.pass(1h);
    CHECK(site.serves(site.first));
    CHECK(site.failures() == 1);
    CHECK(site.heard().back().text.find("/pki/") != std::string::npos);
    CHECK(site.logged(log_level::error, "stays") == 1);
    REQUIRE(site.status("x.test").problem);
    CHECK(site.status("x.test").problem->kind == failure_class::local);
    site.disk->fail(testing::simulated_disk::fault::none);
    site.put(second);
    site.pass(2min);
    CHECK(site.serves(second));
    CHECK_FALSE(site.status("x.test").problem);
    CHECK(site.failures() == 1);
}

TEST_CASE("nothing that is being written serves, or is complained about") {
    fixture site;
    const auto second = site.issue();
    const auto chain = second->chain_pem();
    // A slow copy, of which each look sees more.
    for (std::size_t length = 0; length < chain.size(); length += chain.size() / 20) {
        site.disk->put(chain_path, chain.substr(0, length));
        site.pass(900ms);
        CHECK(site.serves(site.first));
    }
    site.put(second);
    site.pass(2min);
    CHECK(site.serves(second));
    CHECK(site.failures() == 0);
}

TEST_CASE("files that cannot be used when they are named are refused, with their path") {
    fixture site;
    const auto refusal = [&](const std::string& chain, const std::string& key) {
        try {
            site.manager->add_certificate_files(chain, key);
        } catch (const error& e) {
            CHECK(std::string{e.what()}.find("/pki/") != std::string::npos);
            return e.code();
        }
        return std::error_code{};
    };
    CHECK(refusal("/pki/none.pem", key_path) == errc::store_failed);
    CHECK(refusal(chain_path, "/pki/none.pem") == errc::store_failed);
    site.disk->put("/pki/other.pem", private_key::generate().to_pem());
    CHECK(refusal(chain_path, "/pki/other.pem") == errc::key_mismatch);
    CHECK(refusal(chain_path, chain_path) == errc::invalid_key);
    site.disk->put("/pki/both.pem", site.first->chain_pem() + site.first->key().to_pem());
    CHECK_FALSE(refusal("/pki/both.pem", "/pki/both.pem"));
}

TEST_CASE("a certificate that was removed is not read again") {
    fixture site;
    CHECK(site.manager->remove_certificate("x.test"));
    site.put(site.issue());
    site.pass(1h);
    CHECK_FALSE(site.ask("x.test"));
    CHECK(site.heard(event_type::loaded) == 0);
}

TEST_CASE("new files may have other names") {
    fixture site;
    const auto moved = site.ca_of_mine.issue({"y.test"}, {site.clock->wall(), site.clock->wall() + days{30}});
    site.put(moved);
    site.pass(2min);
    CHECK_FALSE(site.ask("x.test"));
    CHECK(site.ask("y.test")->serial() == moved->serial());
}
