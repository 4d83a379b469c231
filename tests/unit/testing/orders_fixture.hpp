#pragma once

#include "by_hand.hpp"
#include "catch.hpp"

namespace test {

/// A client with an account, and the way of an order.
struct orders_fixture {
    explicit orders_fixture(evercert::testing::acme_server_options options = {}) : ca{std::move(options)}, client{ca} {
        client.register_account();
    }

    boost::json::object new_order(std::initializer_list<std::string_view> names) {
        auto answer = client.post("/new-order", order_of(names));
        REQUIRE(gist(answer) == "201");
        auto order = object_of(answer);
        order["url"] = std::string{answer.fields.get("Location")};
        return order;
    }
    boost::json::object read(const boost::json::value& url) { return object_of(client.post(path_of(url))); }
    std::string status(const boost::json::value& url) { return text_of(read(url).at("status")); }
    /// Answer the first challenge of each authorization.
    void answer_challenges(const boost::json::object& order) {
        for (const auto& url : order.at("authorizations").as_array())
            client.post(path_of(read(url).at("challenges").at(0).at("url")), boost::json::object{});
    }
    boost::json::object ready_order(std::initializer_list<std::string_view> names) {
        auto order = new_order(names);
        answer_challenges(order);
        ca.validate();
        REQUIRE(status(order.at("url")) == "ready");
        return order;
    }
    evercert::response finalize(const boost::json::object& order, const std::vector<evercert::identifier>& names) {
        return client.post(path_of(order.at("finalize")), finalize_with(key, names));
    }

    ca_by_hand ca;
    client_by_hand client;
    evercert::private_key key = evercert::private_key::generate();
};

}  // namespace test
