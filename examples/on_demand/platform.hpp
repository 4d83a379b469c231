#pragma once

#include <map>
#include <string>

#include <evercert/evercert.hpp>

#include "domain_table.hpp"

namespace on_demand {

/// A customer, as the platform's database has it.
struct customer {
    std::string token;        ///< shows that it is the customer who asks
    evercert::handler files;  ///< of the customer's site
};
using customers = std::map<std::string, customer>;

/// Each line is "NAME TOKEN"; the files are in the folder of this name below `sites`. Throws `std::runtime_error` or `evercert::error`.
customers read_customers(const std::string& file, const std::string& sites);

/// What the platform decides and answers. On one thread, as the io_context has.
class platform {
public:
    platform(customers, domain_table_options, evercert::identifier own_host);

    /// `manager_options::admission`: the table decides.
    asio::awaitable<bool> admits(evercert::identifier domain);

    /// The platform's own host has the customers' interface; every other host is a customer's site. Before `serve()`.
    void handle_with(evercert::manager&);

private:
    asio::awaitable<evercert::response> site(evercert::request);
    asio::awaitable<evercert::response> list(evercert::request);
    asio::awaitable<evercert::response> claim(evercert::request);
    asio::awaitable<evercert::response> give_up(evercert::request);
    std::string who(const evercert::request&) const;

    const customers customers_;
    domain_table table_;
    const evercert::identifier own_host_;
    evercert::manager* manager_ = nullptr;
};

}  // namespace on_demand
