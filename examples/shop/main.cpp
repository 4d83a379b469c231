// A server whose own loop keeps asking another machine, with retries, beside evercert's serve(): year_test.cpp runs it
// through a year in a second or two.
//
//     shop NAME WAREHOUSE STATE_FILE

#include <exception>
#include <iostream>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include "shop.hpp"

int main(int argc, char** argv) try {
    if (argc != 4) {
        std::cerr << "usage: shop NAME WAREHOUSE STATE_FILE\n";
        return 2;
    }
    asio::io_context io;
    shop::settings wanted;
    wanted.name = argv[1];
    wanted.warehouse = argv[2];
    wanted.state_file = argv[3];
    asio::co_spawn(io, shop::run(wanted), evercert::rethrow);
    io.run();
} catch (const std::exception& why) {
    std::cerr << "shop: " << why.what() << '\n';
    return 1;
}
