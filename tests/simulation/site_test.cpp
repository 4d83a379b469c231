#include <string>

#include "catch.hpp"
#include "site.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;

using std::chrono::days;

options calm(int names, site_sort sort = {}) {
    options how;
    how.names = names;
    how.faults = fault_level::none;
    how.sort = sort;
    return how;
}

void ends_well(site& on) {
    on.end();
    CHECK(on.ca.limit_violations() == 0);
    CHECK(on.found().texts().empty());
}

}  // namespace

TEST_CASE("names below one registered domain wait for the CA's limit on its certificates") {
    site on{calm(44, {.one_domain = true})};
    on.world.time().pass(3h);
    // A fifth of 50 is kept for renewals, and the next is back after 3.4 hours.
    CHECK(on.issued() == 40);
    CHECK(on.held_by["certificates_per_domain"] > 0);
    on.world.time().pass(3h);
    CHECK(on.issued() == 41);
    on.world.time().pass(days{1});
    CHECK(on.issued() == 44);
    ends_well(on);
}

TEST_CASE("a certificate that is deleted again and again meets the CA's limit on the same names, and waits") {
    site on{calm(2, {.deletes = true})};
    on.world.time().pass(1h);
    for (int i = 0; i < 7; ++i) {
        on.restart_without(on.names[0]);
        on.world.time().pass(3h);
    }
    CHECK(on.issued() == 2 + 4);
    CHECK(on.held_by["certificates_per_name_set"] > 0);
    on.world.time().pass(days{2});
    CHECK(on.issued() == 2 + 5);
    ends_well(on);
}

TEST_CASE("guests are admitted, as many as the limit of new names lets in, and no stranger is") {
    site on{calm(1, {.admits = true})};
    on.expect_strangers();
    on.world.time().pass(6h);
    CHECK(on.issued() > 10);
    CHECK(on.issued() <= 1 + 20 + 2);
    CHECK(on.held_by["new_hosts"] > 0);
    on.world.time().pass(days{2});
    // But for one whose name does not lead here.
    CHECK(on.issued() == 1 + 23);
    // Each answer is remembered: thousands came.
    CHECK(on.decided > 0);
    CHECK(on.decided < 200);
    CHECK(on.refused > 3000);
    ends_well(on);
}

TEST_CASE("the CA's validations and its answers are cut off one without the other") {
    site validations{calm(1)}, answers{calm(1)};
    validations.world.network().cut(validations.validator.address(), validations.server.address());
    validations.world.time().pass(1h);
    CHECK(validations.ca.count("newOrder") > 0);
    CHECK(validations.issued() == 0);
    validations.world.network().heal(validations.validator.address(), validations.server.address());
    validations.world.time().pass(days{2});
    CHECK(validations.issued() == 1);

    answers.world.network().cut(answers.authority.address(), answers.server.address());
    answers.world.time().pass(1h);
    CHECK(answers.ca.count("newOrder") == 0);
    CHECK(answers.world.time().run(answers.validator.network()->connect({answers.server.address(), 80})) != nullptr);
}

}  // namespace simulation
