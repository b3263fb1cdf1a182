// SPDX-License-Identifier: Apache-2.0
// Real sockets and the real event loop; the toolstack is a fake.
#include "chaos/daemon/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "chaos/daemon/runtime_dir.hpp"
#include "chaos/rpc/unix_address.hpp"
#include "fake_toolstack.hpp"

namespace chaos::test {
namespace {

using testing::HasSubstr;

constexpr timeval patience{10, 0};

class LoopHost final : public Host {
 public:
    explicit LoopHost(EventLoop& loop) : loop_(loop) {}
    void post(std::function<void()> work) override { loop_.post(std::move(work)); }
    void wake_at(Clock::time_point) override {}
    bool watch(int) override { return true; }
    void stop() override {}

 private:
    EventLoop& loop_;
};

class Peer {
 public:
    explicit Peer(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        const auto address = rpc::unix_address(path);
        EXPECT_EQ(::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    void write(std::string_view text) {
        EXPECT_EQ(::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    // As much as the socket takes at once.
    std::size_t stuff(std::string_view text) {
        const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return sent > 0 ? static_cast<std::size_t>(sent) : 0;
    }
    // The next line; empty: the connection has ended.
    std::string line() {
        while (input_.find('\n') == std::string::npos) {
            char buffer[65536];
            const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
            if (got <= 0) {
                EXPECT_EQ(got, 0) << "nothing came in time";
                return {};
            }
            input_.append(buffer, static_cast<std::size_t>(got));
        }
        std::string first = input_.substr(0, input_.find('\n'));
        input_.erase(0, first.size() + 1);
        return first;
    }
    void shut_write() { ::shutdown(socket_.get(), SHUT_WR); }

 private:
    base::Fd socket_;
    std::string input_;
};

constexpr std::string_view hello = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"hello\"}\n";

class ServerTest : public testing::Test {
 protected:
    void start(Limits limits = {}) {
        limits_ = limits;
        char pattern[] = "/tmp/chaos-server-XXXXXX";
        folder_ = ::mkdtemp(pattern);
        path_ = folder_ + "/api.sock";
        loop_ = *EventLoop::open();
        host_ = std::make_unique<LoopHost>(*loop_);
        service_ =
            std::make_unique<Service>(ServiceSettings{path_, folder_, limits_}, *host_,
                                      [this](split::Observer& observer) -> Result<std::unique_ptr<split::Toolstack>> {
                                          auto made = std::make_unique<FakeToolstack>(observer);
                                          toolstack_ = made.get();
                                          return made;
                                      });
        ASSERT_TRUE(service_->start().has_value());
        auto server = Server::listen(path_, *loop_, *service_, limits_);
        ASSERT_TRUE(server.has_value()) << server.error().message;
        server_ = *std::move(server);
        thread_ = std::thread([this] { loop_->run(); });
    }
    void TearDown() override {
        if (thread_.joinable()) {
            loop_->post([this] {
                server_.reset();
                loop_->stop();
            });
            thread_.join();
        }
        service_.reset();
        std::filesystem::remove_all(folder_);
    }
    // Runs `work` in the loop's thread.
    template <class Work>
    void in_loop(Work work) {
        std::promise<void> done;
        loop_->post([&] {
            work();
            done.set_value();
        });
        done.get_future().wait();
    }

    Limits limits_;
    std::string folder_, path_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<LoopHost> host_;
    std::unique_ptr<Service> service_;
    std::unique_ptr<Server> server_;
    FakeToolstack* toolstack_{nullptr};
    std::thread thread_;
};

TEST_F(ServerTest, ServesSeveralClients) {
    start();
    Peer a(path_), b(path_);
    a.write("nonsense\n");
    EXPECT_THAT(a.line(), HasSubstr("parse_error"));
    for (Peer* peer : {&a, &b}) {
        peer->write(hello);
        EXPECT_THAT(peer->line(), HasSubstr("\"api\":1"));
    }
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(ServerTest, EndsAConnectionWhoseLineIsTooLong) {
    Limits limits;
    limits.request = base::kib(4);
    start(limits);
    Peer peer(path_);
    peer.write(std::string(5000, 'x'));
    EXPECT_THAT(peer.line(), HasSubstr("line_too_long"));
    EXPECT_EQ(peer.line(), "");
}

TEST_F(ServerTest, AnswersAPeerThatOnlyStoppedWriting) {
    start();
    Peer peer(path_);
    peer.write(
        R"({"jsonrpc":"2.0","id":1,"method":"domain.create","params":{"wait":"ready","config":{"kernel":"/proc/self/exe"}}})"
        "\n");
    peer.shut_write();
    Peer other(path_);
    other.write(hello);
    EXPECT_NE(other.line(), "");  // by now the end of the first one's input has been seen
    in_loop([this] { toolstack_->become_ready(1); });
    EXPECT_THAT(peer.line(), HasSubstr("87.125"));
}

TEST_F(ServerTest, StopsReadingFromAClientThatDoesNotRead) {
    Limits limits;
    limits.replies = base::kib(4);
    start(limits);
    std::string requests;
    for (int i = 0; i < 100; ++i) {
        requests += "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"schema.get\"}\n";
    }
    Peer peer(path_);
    const std::string one = requests.substr(0, requests.find('\n') + 1);
    std::size_t sent = 0;
    // Until both directions are full: the daemon has stopped, and another client still gets its answer.
    for (int full = 0; full < 3;) {
        const std::string_view rest = std::string_view(requests).substr(sent % one.size());
        const std::size_t taken = peer.stuff(rest);
        sent += taken;
        full = taken == 0 ? full + 1 : 0;
        Peer other(path_);
        other.write(hello);
        EXPECT_NE(other.line(), "");
        ASSERT_LT(sent, 64U << 20);
    }
    for (std::size_t i = 0; i < sent / one.size(); ++i) {
        ASSERT_THAT(peer.line(), HasSubstr("\"schema\""));
    }
}

TEST_F(ServerTest, DropsASubscriberThatDoesNotRead) {
    Limits limits;
    limits.notifications = base::kib(64);
    start(limits);
    Peer subscriber(path_);
    subscriber.write("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"events.subscribe\"}\n");
    EXPECT_NE(subscriber.line(), "");
    bool dropped = false;
    for (int i = 0; i < 200'000 && !dropped; ++i) {
        in_loop([&] {
            for (int j = 0; j < 100; ++j) {
                service_->on_event({split::EventKind::created, base::DomId{1}, "name", "", 0});
            }
            dropped = service_->clients().size() == 0;
        });
    }
    EXPECT_TRUE(dropped);
}

TEST_F(ServerTest, RefusesConnectionsAboveItsLimit) {
    Limits limits;
    limits.connections = 1;
    start(limits);
    Peer first(path_);
    first.write(hello);
    EXPECT_NE(first.line(), "");
    Peer second(path_);
    EXPECT_THAT(second.line(), HasSubstr("limits.connections = 1"));
    EXPECT_EQ(second.line(), "");
}

TEST_F(ServerTest, ReplacesADeadSocketOnly) {
    start();
    const auto live = Server::listen(path_, *loop_, *service_, limits_);
    ASSERT_FALSE(live.has_value());
    EXPECT_THAT(live.error().message, HasSubstr("another program is listening"));
    const std::string file = folder_ + "/file";
    std::ofstream(file) << "x";
    const auto taken = Server::listen(file, *loop_, *service_, limits_);
    ASSERT_FALSE(taken.has_value());
    EXPECT_THAT(taken.error().message, HasSubstr("is no socket"));
    EXPECT_TRUE(std::filesystem::exists(file));
}

TEST(InstanceLock, IsHeldByOne) {
    char pattern[] = "/tmp/chaos-lock-XXXXXX";
    const std::string folder = ::mkdtemp(pattern);
    {
        const auto first = InstanceLock::acquire(folder, "s");
        ASSERT_TRUE(first.has_value());
        const auto second = InstanceLock::acquire(folder, "s", 0);
        ASSERT_FALSE(second.has_value());
        EXPECT_THAT(second.error().message, HasSubstr("pid " + std::to_string(::getpid())));
    }
    EXPECT_TRUE(InstanceLock::acquire(folder, "s", 0).has_value());
    std::filesystem::remove_all(folder);
}

TEST(InstanceLock, WaitsForADaemonThatIsStopping) {
    char pattern[] = "/tmp/chaos-lock-XXXXXX";
    const std::string folder = ::mkdtemp(pattern);
    auto stopping = std::make_unique<Result<InstanceLock>>(InstanceLock::acquire(folder, "s"));
    ASSERT_TRUE(stopping->has_value());
    auto waiting = std::async(std::launch::async, [&] { return InstanceLock::acquire(folder, "s", 60).has_value(); });
    stopping.reset();
    EXPECT_TRUE(waiting.get());
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace chaos::test
