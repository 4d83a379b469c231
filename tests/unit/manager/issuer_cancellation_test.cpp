#include "challenge/http_solver.hpp"
#include "issuance/issuer.hpp"
#include "lives.hpp"
#include "server/http_server.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

/// Knows how many answers were presented and not cleaned up.
class counting_solver final : public solver {
public:
    challenge_type type() const noexcept override { return answers.type(); }
    asio::awaitable<void> present(challenge_answer answer) override {
        ++presented;
        return answers.present(std::move(answer));
    }
    asio::awaitable<void> clean_up(challenge_answer answer) override {
        --presented;
        return answers.clean_up(std::move(answer));
    }

    http_solver answers;
    int presented = 0;
};

asio::awaitable<response> answer_of(std::shared_ptr<counting_solver> solver, request asked) {
    const auto answer = solver->answers.answer(asked.path());
    response said{404};
    if (answer)
        said = response{*answer};
    co_return said;
}

/// The parts that order, without a manager. Orders are `processing` for a moment.
class bare_orders {
public:
    bare_orders() {
        auto port_80 = system_network()->listen(ca_.io.get_executor(), {asio::ip::address_v4::loopback(), 0});
        ca_.server->validation_ports(port_80->local_endpoint().port, 1);
        server_.add(
            std::move(port_80), [solver = solver_](request asked) { return answer_of(solver, std::move(asked)); });
        serving_.emplace(ca_.io.get_executor(), server_.run());
    }
    ~bare_orders() {
        server_.stop(0s);
        while (!serving_->ended())
            ca_.io.run_one();
    }

    /// Register, order and finalize; all of it is cancelled after the nth handler. False if it had ended before.
    bool cancel_at(int n) {
        const auto before = ca_.counts();
        attempt tried;
        const bool cancelled = cancel_at(n, tried);
        ca_.settle();
        const auto seen = ca_.counts() - before;
        CAPTURE(n);
        CHECK(seen.finalized <= 1);
        if (tried.placed)
            look_up(tried, seen.finalized == 1);
        CHECK((ca_.counts() - before).finalized == seen.finalized);
        return cancelled;
    }

private:
    struct attempt {
        std::optional<acme::order> placed;
        private_key key = private_key::generate();
    };

    bool cancel_at(int n, attempt& tried) {
        test::stage self{ca_};
        {
            acme::client client{account_, options(self)};
            auto by = make_issuer();
            std::optional<test::started<void>> all;
            self.cut.at(n, [&] { all->cancel(); });
            all.emplace(self.io.get_executor(), steps(client, by, tried));
            self.until([&] { return all->ended(); });
            self.finish();
            CAPTURE(n, self.cut.where());
            if (!self.cut.happened())
                CHECK_NOTHROW(all->take());
        }
        CHECK(self.connections->streams == 0);
        CHECK(solver_->presented == 0);
        return self.cut.happened();
    }

    static asio::awaitable<void> steps(acme::client& client, issuer& by, attempt& tried) {
        std::vector<std::string> contact;
        co_await client.new_account(std::move(contact), true);
        issuer::lessons learned;
        const std::vector<identifier> names{"a.test"};
        tried.placed = co_await by.place(client, names, std::string{}, learned);
        co_await by.complete(client, *tried.placed, tried.key, names);
    }

    /// The certificate is there if finalize had arrived, and never comes otherwise.
    void look_up(const attempt& tried, bool finalized) {
        test::stage self{ca_};
        acme::client client{account_, options(self)};
        auto by = make_issuer();
        self.run(client.only_return_existing());
        const auto found = self.run(by.resume(client, tried.placed->url, tried.key, {"a.test"}, true));
        CHECK((found != nullptr) == finalized);
    }

    acme::client_options options(const test::stage& at) const {
        acme::client_options options;
        options.directory_url = ca_.server->directory_url();
        options.http.ca_file = ca_.server->api_root_file();
        options.network = std::make_shared<test::interrupted_network>(at.connections);
        return options;
    }
    issuer make_issuer() const {
        std::vector<std::shared_ptr<solver>> solvers;
        solvers.push_back(solver_);
        return issuer{std::move(solvers), system_clock(), logger{}, issuer_options{}};
    }

    test::lasting_ca ca_{5ms};
    const private_key account_ = private_key::generate();
    const std::shared_ptr<counting_solver> solver_ = std::make_shared<counting_solver>();
    http_server server_{ca_.io.get_executor(), ca_.io.get_executor(), {}, system_clock(), logger{}};
    std::optional<test::started<void>> serving_;
};

}  // namespace

TEST_CASE("an order that is cancelled at any moment is cleaned up, and finalized once or never") {
    bare_orders orders;
    int n = 1;
    while (orders.cancel_at(n))
        ++n;
    CHECK(n > 20);
}
