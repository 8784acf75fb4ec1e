// SPDX-License-Identifier: BSD-3-Clause

// What Go's run-time does that others do not: SIGURG to running threads, handlers
// on small stacks of its own, panics out of SIGSEGV, threads by the dozen, and C
// on top of it. Prints one line for each thing, the same every time.
package main

/*
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

extern void goCallback(int);

static void *caller(void *arg)
{
	for (int i = 0; i < 100; i++)
		goCallback(i);
	return arg;
}

// Go is called from a thread that is not Go's, with an altstack of its own.
static int from_c(void)
{
	pthread_t thread;
	stack_t ss = {.ss_size = 65536}, old;

	ss.ss_sp = malloc(ss.ss_size);
	if (pthread_create(&thread, NULL, caller, NULL) || pthread_join(thread, NULL))
		return 1;
	free(ss.ss_sp);
	return sigaltstack(NULL, &old);
}

static volatile sig_atomic_t c_seen;

static void c_handler(int sig)
{
	c_seen++;
}

static int c_signals(void)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = c_handler;
	sa.sa_flags = SA_ONSTACK | SA_RESTART;
	if (sigaction(SIGUSR2, &sa, NULL))
		return -1;
	for (int i = 0; i < 100; i++)
		raise(SIGUSR2);
	return c_seen;
}
#cgo LDFLAGS: -lpthread
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var called int64

//export goCallback
func goCallback(i C.int) {
	atomic.AddInt64(&called, 1)
	if i%10 == 0 {
		runtime.GC()
	}
}

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// Loops without a call can be stopped by a signal only.
func preemption() {
	var stop int32
	var done sync.WaitGroup
	for i := 0; i < 4; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			x := uint64(1)
			for atomic.LoadInt32(&stop) == 0 {
				for k := 0; k < 1<<22; k++ {
					x = x*6364136223846793005 + 1
				}
			}
			_ = x
		}()
	}
	for i := 0; i < 20; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	atomic.StoreInt32(&stop, 1)
	done.Wait()
	fmt.Println("preemption: 20 collections")
}

func goroutines() {
	const n = 20000
	var sum int64
	var done sync.WaitGroup
	ch := make(chan int, 16)
	done.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			defer done.Done()
			ch <- i
		}(i)
	}
	go func() { done.Wait(); close(ch) }()
	for v := range ch {
		sum += int64(v)
	}
	fmt.Println("goroutines:", sum)

	// each locked to a thread of its own, which ends with it
	done.Add(100)
	for i := 0; i < 100; i++ {
		go func() {
			runtime.LockOSThread()
			time.Sleep(time.Millisecond)
			done.Done()
		}()
	}
	done.Wait()
	fmt.Println("goroutines: 100 threads")
}

func recovered(name string, f func()) {
	defer func() {
		err, ok := recover().(runtime.Error)
		fmt.Printf("panic: %s: %v %v\n", name, ok, err)
	}()
	f()
}

type node struct {
	pad  [1 << 16]byte
	next *node
}

func panics() {
	var none *node
	var p *int
	zero := len(os.Args) - len(os.Args)
	recovered("nil", func() { *p = 1 })
	recovered("divide", func() { fmt.Println(1 / zero) })
	recovered("far nil", func() { none.next = nil })
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	debug.SetPanicOnFault(true)
	recovered("write", func() { page[7] = 1 })
	for i := 0; i < 1000; i++ {
		func() {
			defer func() { recover() }()
			*p = i
		}()
	}
	must(syscall.Munmap(page))
}

func signals() {
	ch := make(chan os.Signal, 1000)
	signal.Notify(ch, syscall.SIGUSR1, syscall.SIGHUP)
	for i := 0; i < 100; i++ {
		must(syscall.Kill(os.Getpid(), syscall.SIGUSR1))
		if s := <-ch; s != syscall.SIGUSR1 {
			fmt.Println("signals: not", s)
		}
	}
	must(syscall.Kill(os.Getpid(), syscall.SIGHUP))
	fmt.Println("signals:", <-ch)
	signal.Reset(syscall.SIGHUP)
	signal.Ignore(syscall.SIGHUP)
	must(syscall.Kill(os.Getpid(), syscall.SIGHUP))
	fmt.Println("signals: ignored", signal.Ignored(syscall.SIGHUP))
	fmt.Println("signals: in C", C.c_signals())
}

func commands() {
	var done sync.WaitGroup
	var good int64
	for i := 0; i < 8; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			for k := 0; k < 10; k++ {
				cmd := exec.Command("cat")
				cmd.Stdin = strings.NewReader("through cat")
				out, err := cmd.Output()
				if err == nil && string(out) == "through cat" {
					atomic.AddInt64(&good, 1)
				}
			}
		}()
	}
	done.Wait()
	fmt.Println("commands:", good)
	err := exec.Command("sh", "-c", "exit 3").Run()
	fmt.Println("commands:", err)
	err = exec.Command("sh", "-c", "kill -KILL $$").Run()
	fmt.Println("commands:", err)
	_, err = exec.LookPath("there-is-no-such-program")
	fmt.Println("commands:", errors.Is(err, exec.ErrNotFound))

	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(cmd.Start())
	must(syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM))
	fmt.Println("commands:", cmd.Wait())

	// what nobody recovers from ends the program with status 2 and a trace
	var out bytes.Buffer
	cmd = exec.Command(os.Args[0], "crash")
	cmd.Stderr = &out
	err = cmd.Run()
	fmt.Println("crash:", err, strings.Contains(out.String(), "[signal SIGSEGV: segmentation violation code=0x1 addr=0x0"),
		strings.Contains(out.String(), "main.crash"))
}

func crash() {
	var p *int
	*p = 1
}

func sockets() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	var done sync.WaitGroup
	var bytesBack int64
	for i := 0; i < 20; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			c, err := net.Dial("tcp", l.Addr().String())
			must(err)
			go func() {
				c.Write(make([]byte, 1<<18))
				c.(*net.TCPConn).CloseWrite()
			}()
			n, err := io.Copy(io.Discard, c)
			must(err)
			atomic.AddInt64(&bytesBack, n)
			c.Close()
		}()
	}
	done.Wait()
	l.Close()
	fmt.Println("sockets:", bytesBack)
}

// SIGPROF from timers of each thread
func profile() {
	var out bytes.Buffer
	must(pprof.StartCPUProfile(&out))
	x := uint64(1)
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		for k := 0; k < 1<<16; k++ {
			x = x*6364136223846793005 + 1
		}
	}
	pprof.StopCPUProfile()
	fmt.Println("profile:", out.Len() > 200, x != 0)
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "crash" {
		crash()
	}
	debug.SetMaxThreads(2000)
	preemption()
	goroutines()
	panics()
	signals()
	commands()
	sockets()
	profile()
	fmt.Println("cgo:", C.from_c(), atomic.LoadInt64(&called))
}
