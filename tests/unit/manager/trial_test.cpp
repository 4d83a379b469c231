#include <atomic>
#include <thread>
#include <vector>

#include <boost/json/array.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "manager/trial.hpp"

using namespace evercert;

namespace {

constexpr auto established = handshake_result::established;
constexpr auto rejected = handshake_result::certificate_rejected;
constexpr auto failed = handshake_result::failed;
using verdict = trials::verdict;

certificate_record record_of(const certificate& cert) {
    const boost::json::object item{
        {"names", boost::json::array{cert.names().front().value()}},
        {"draw", 0.5},
        {"chain", cert.chain_pem()},
        {"key", cert.key().to_pem()}};
    return read_certificate(item);
}

struct fixture {
    certificate_ptr issue(const char* name = "a.test") { return ca.issue({name}); }

    test::authority ca;
    certificate_ptr before = issue();
    certificate_ptr fresh = issue();
    trials all{3};
};

}  // namespace

TEST_CASE("the first client that accepts a new certificate ends its trial for good") {
    fixture f;
    CHECK(f.all.empty());
    f.all.begin("certificates/a.test", f.fresh, record_of(*f.before));
    CHECK_FALSE(f.all.empty());
    CHECK(f.all.ended(f.fresh, rejected) == verdict::none);
    CHECK(f.all.ended(f.fresh, rejected) == verdict::none);
    CHECK(f.all.ended(f.fresh, established) == verdict::passed);
    CHECK(f.all.empty());
    for (int i = 0; i < 5; ++i)
        CHECK(f.all.ended(f.fresh, rejected) == verdict::none);
    CHECK_FALSE(f.all.take(f.fresh));
}

TEST_CASE("so many rejections before any acceptance bring the certificate before back, once") {
    fixture f;
    f.all.begin("certificates/a.test", f.fresh, record_of(*f.before));
    CHECK(f.all.ended(f.fresh, rejected) == verdict::none);
    CHECK(f.all.ended(f.fresh, rejected) == verdict::none);
    CHECK(f.all.ended(f.fresh, rejected) == verdict::roll_back);
    CHECK(f.all.ended(f.fresh, rejected) == verdict::none);
    CHECK(f.all.ended(f.fresh, established) == verdict::none);
    const auto taken = f.all.take(f.fresh);
    REQUIRE(taken);
    CHECK(taken->key == "certificates/a.test");
    CHECK(taken->before.certificate->chain_pem() == f.before->chain_pem());
    CHECK(f.all.empty());
    CHECK_FALSE(f.all.take(f.fresh));
}

TEST_CASE("handshakes that fail in another way, or had another certificate, say nothing about a trial") {
    fixture f;
    f.all.begin("certificates/a.test", f.fresh, record_of(*f.before));
    for (int i = 0; i < 10; ++i) {
        CHECK(f.all.ended(f.fresh, failed) == verdict::none);
        CHECK(f.all.ended(f.before, rejected) == verdict::none);
        CHECK(f.all.ended(nullptr, rejected) == verdict::none);
    }
    CHECK(f.all.ended(f.before, established) == verdict::none);
    CHECK(f.all.size() == 1);
}

TEST_CASE("a certificate on trial is known again when it was parsed anew") {
    fixture f;
    f.all.begin("certificates/a.test", f.fresh, record_of(*f.before));
    const auto again = std::make_shared<const certificate>(f.fresh->chain_pem(), f.fresh->key());
    CHECK(f.all.ended(again, established) == verdict::passed);
}

TEST_CASE("the next certificate for the same names ends the trial of the one before") {
    fixture f;
    f.all.begin("certificates/a.test", f.fresh, record_of(*f.before));
    const auto next = f.issue();
    f.all.begin("certificates/a.test", next, record_of(*f.fresh));
    CHECK(f.all.size() == 1);
    CHECK(f.all.ended(f.fresh, established) == verdict::none);
    CHECK(f.all.ended(next, established) == verdict::passed);
}

TEST_CASE("trials of removed certificates are forgotten, and all of them when the state is replaced") {
    fixture f;
    const auto other = f.issue("b.test");
    f.all.begin("certificates/a.test", f.fresh, record_of(*f.before));
    f.all.begin("certificates/b.test", other, record_of(*f.before));
    f.all.forget("certificates/a.test");
    f.all.forget("certificates/a.test");
    CHECK(f.all.size() == 1);
    f.all.clear();
    CHECK(f.all.empty());
}

TEST_CASE("without a number of rejections nothing is on trial") {
    fixture f;
    trials off{0};
    off.begin("certificates/a.test", f.fresh, record_of(*f.before));
    CHECK(off.empty());
    CHECK(off.ended(f.fresh, rejected) == verdict::none);
}

TEST_CASE("of handshakes on several threads exactly one decides") {
    fixture f;
    trials all{100};
    for (const auto result : {rejected, established}) {
        all.begin("certificates/a.test", f.fresh, record_of(*f.before));
        std::atomic<int> decided = 0;
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                for (int j = 0; j < 100; ++j)
                    decided += all.ended(f.fresh, result) != verdict::none;
            });
        for (auto& thread : threads)
            thread.join();
        CHECK(decided == 1);
    }
}
