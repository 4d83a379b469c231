#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace simulation {

struct ca_problem {
    int status;
    std::string type, detail, retry_after;
};

/// Several troubles that have a CA answer requests to one resource with a problem: the last that began is what it says, and each
/// lasts until its own end.
class ca_problems {
public:
    /// Has every nth request answered so; 0 = none.
    using say = std::function<void(int n, const std::string& resource, const ca_problem&)>;
    explicit ca_problems(say how) : say_{std::move(how)} {}

    struct handle {
        std::string resource;
        int number;
    };
    /// `resource`: as `ca_faults::fail_every()` has it.
    handle begin(const std::string& resource, int n, ca_problem);
    void end(const handle&);

private:
    struct one {
        int number, n;
        ca_problem what;
    };
    say say_;
    int begun_ = 0;
    std::map<std::string, std::vector<one>> by_resource_;
};

}  // namespace simulation
