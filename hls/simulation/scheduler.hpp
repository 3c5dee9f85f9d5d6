// SPDX-License-Identifier: Apache-2.0
// Processes that take turns in one thread, so that bounded streams can block and a deadlock is an error with names in it.
//
// Every process has a stack of its own (POSIX contexts). A process runs until a stream makes it wait. When no process
// can go on, nobody ever will: streams have one reader and one writer, so the outcome does not depend on the order.
#ifndef GATEWRIGHT_SCHEDULER_HPP
#define GATEWRIGHT_SCHEDULER_HPP

#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace gatewright {

/// One process: a stack, and what it waits for.
struct process {
    // Kernels keep whole sequences in local arrays; pages that are never touched cost nothing.
    static const std::size_t stack_bytes = std::size_t(64) << 20;

    std::string name;
    std::function<void()> body;
    std::string waiting;
    std::exception_ptr error;
    bool done = false;
    ucontext_t context;
    void *stack;

    process(const std::string &name, const std::function<void()> &body) : name(name), body(body) {
        stack = mmap(0, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (stack == MAP_FAILED)
            throw std::runtime_error("no memory for the stack of " + name);
    }
    ~process() { munmap(stack, stack_bytes); }
    process(const process &) = delete;
    process &operator=(const process &) = delete;
};

/// All processes, and whose turn it is.
class scheduler {
  public:
    static scheduler &get() {
        static scheduler the_one;
        return the_one;
    }

    /// Name of the running process, with a separator; empty outside of all.
    std::string path() const { return running ? running->name + "/" : std::string(); }
    bool inside() const { return running != 0; }
    void moved() { ++progress; }

    std::shared_ptr<process> start(const std::string &name, const std::function<void()> &body) {
        std::shared_ptr<process> one(new process(path() + name, body));
        getcontext(&one->context);
        one->context.uc_stack.ss_sp = one->stack;
        one->context.uc_stack.ss_size = process::stack_bytes;
        one->context.uc_link = &home;
        makecontext(&one->context, &scheduler::enter, 0);
        live.push_back(one);
        return one;
    }

    /// Called by the running process: let the others go on.
    void wait(const std::string &reason) {
        process *self = running;
        self->waiting = reason;
        swapcontext(&self->context, &home);
    }

    /// Called outside of all processes: run them to their ends, or throw.
    void run() {
        while (!live.empty()) {
            const unsigned long before = progress;
            for (std::size_t i = 0; i < live.size(); ++i)
                turn(*live[i]);
            std::vector<std::shared_ptr<process> > rest;
            for (std::size_t i = 0; i < live.size(); ++i)
                if (!live[i]->done)
                    rest.push_back(live[i]);
            live.swap(rest);
            if (progress == before)
                stop("deadlock");
        }
    }

  private:
    std::vector<std::shared_ptr<process> > live;
    process *running = 0;
    ucontext_t home;
    unsigned long progress = 0;

    void turn(process &one) {
        if (one.done)
            return;
        running = &one;
        swapcontext(&home, &one.context);
        running = 0;
        if (one.error) {
            const std::exception_ptr error = one.error;
            live.clear();
            std::rethrow_exception(error);
        }
    }

    static void enter() {
        scheduler &self = get();
        process *one = self.running;
        try {
            one->body();
        } catch (...) {
            one->error = std::current_exception();
        }
        one->done = true;
        self.moved();
    }

    void stop(const std::string &problem) {
        std::string text = problem;
        for (std::size_t i = 0; i < live.size(); ++i)
            text += "; " + live[i]->name + " " + live[i]->waiting;
        live.clear();
        throw std::runtime_error(text);
    }
};

/// The processes of one dataflow function.
class region {
    std::vector<std::shared_ptr<process> > mine;

    bool busy() const {
        for (std::size_t i = 0; i < mine.size(); ++i)
            if (!mine[i]->done)
                return true;
        return false;
    }

  public:
    void start(const std::string &name, const std::function<void()> &body) {
        mine.push_back(scheduler::get().start(name, body));
    }

    void join() {
        scheduler &all = scheduler::get();
        if (!all.inside())
            all.run();
        while (busy())
            all.wait("waits for its parts");
    }
};

} // namespace gatewright

#endif
