#include <thread>
#include <vector>

#include "catch.hpp"
#include "certificates.hpp"
#include "crypto/held_certificate.hpp"

using namespace evercert;

namespace {

constexpr int askers = 4;

void in_threads(const auto& work) {
    std::vector<std::thread> threads;
    for (int i = 0; i < askers; ++i)
        threads.emplace_back([&work, i] { work(i); });
    for (auto& thread : threads)
        thread.join();
}

held_ptr cold(test::authority& ca) {
    const held_certificate warm{ca.issue({"a.test"})};
    return std::make_shared<const held_certificate>(
        warm.chain_pem(), warm.key_pem(), warm.names(), warm.not_before(), warm.not_after());
}

}  // namespace

TEST_CASE("threads that ask for a cold certificate at once get the same one") {
    test::authority ca;
    for (int round = 0; round < 20; ++round) {
        const auto held = cold(ca);
        std::vector<certificate_ptr> got(askers);
        in_threads([&](int i) { got[static_cast<std::size_t>(i)] = held->get(); });
        for (const auto& cert : got)
            CHECK(cert == held->if_parsed());
    }
}

TEST_CASE("a certificate may be dropped and saved while others use it") {
    test::authority ca;
    const auto held = cold(ca);
    const auto pem = held->chain_pem();
    std::atomic<int> wrong = 0;
    in_threads([&](int i) {
        for (int round = 0; round < 200; ++round) {
            if (i == 0)
                held->drop_parsed();
            else if (held->get()->chain_pem() != pem || held->chain_pem() != pem)
                ++wrong;
        }
    });
    CHECK(wrong == 0);
}

TEST_CASE("certificates of the same issuers come and go in several threads") {
    test::authority ca;
    std::vector<held_ptr> pattern;
    for (int i = 0; i < askers; ++i)
        pattern.push_back(cold(ca));
    std::atomic<int> wrong = 0;
    in_threads([&](int i) {
        const auto& mine = *pattern[static_cast<std::size_t>(i)];
        const auto chain = mine.chain_pem(), key = mine.key_pem();
        for (int round = 0; round < 50; ++round) {
            const held_certificate again{chain, key, mine.names(), mine.not_before(), mine.not_after()};
            if (again.get()->chain_pem() != chain)
                ++wrong;
        }
    });
    CHECK(wrong == 0);
}
