package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// plan is what to run, read from a file written by whoever starts the node.
type plan struct {
	// Status is the file that always holds the present state of every service.
	Status string `json:"status"`
	// Logs is the folder of one log file a service.
	Logs string `json:"logs"`
	// Binds are the host's folders to show the node: where it sees them → where they are.
	Binds    map[string]string `json:"binds"`
	Services []*servicePlan    `json:"services"`
}

type servicePlan struct {
	Name    string            `json:"name"`
	Command []string          `json:"command"`
	Env     map[string]string `json:"env"`
	// After names the services that must be ready before this one starts.
	After []string `json:"after"`
	// Ready is how to see that the service is: unix:PATH, tcp:HOST:PORT or an HTTP(S) URL that answers 200.
	Ready string `json:"ready"`
}

// status is what the Status file holds.
type status struct {
	PID      int              `json:"pid"`
	Services []*serviceStatus `json:"services"`
}

type serviceStatus struct {
	Name     string    `json:"name"`
	Running  bool      `json:"running"`
	Ready    bool      `json:"ready"`
	Restarts int       `json:"restarts"`
	Since    time.Time `json:"since"`
	LastExit string    `json:"lastExit,omitempty"`
}

// supervisor is the first process of the node's own PID namespace: when it ends,
// for whatever reason, the kernel ends every process of the node and drops its mounts.
type supervisor struct {
	plan *plan

	mutex  sync.Mutex
	status status
	exits  map[int]chan syscall.WaitStatus
	ready  map[string]chan struct{}
}

// supervise runs the services of a plan, in order of what they need, and starts again what ends.
// It expects to be started in fresh mount and PID namespaces, and in the node's network namespace.
func supervise(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("usage: supervise PLAN.json")
	}
	content, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	s := &supervisor{plan: &plan{}, exits: map[int]chan syscall.WaitStatus{}, ready: map[string]chan struct{}{}}
	if err := json.Unmarshal(content, s.plan); err != nil {
		return fmt.Errorf("%s: %w", arguments[0], err)
	}
	// The procfs still mounted is the host's, so this is the PID the host knows.
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return err
	}
	if s.status.PID, err = strconv.Atoi(self); err != nil {
		return err
	}
	if err := enterPrivateRoot(s.plan.Binds); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	go s.reap(children)
	for _, service := range s.plan.Services {
		s.ready[service.Name] = make(chan struct{})
		s.status.Services = append(s.status.Services, &serviceStatus{Name: service.Name})
	}
	for i, service := range s.plan.Services {
		go s.keepRunning(service, s.status.Services[i])
	}
	<-stop
	return nil
}

// reap collects every process that ends: the services, and the orphans that come to the first process.
func (s *supervisor) reap(children <-chan os.Signal) {
	for range children {
		for {
			var code syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &code, syscall.WNOHANG, nil)
			if pid <= 0 || err != nil {
				break
			}
			s.mutex.Lock()
			if exit, ours := s.exits[pid]; ours {
				exit <- code
				delete(s.exits, pid)
			}
			s.mutex.Unlock()
		}
	}
}

func (s *supervisor) keepRunning(service *servicePlan, status *serviceStatus) {
	for _, needed := range service.After {
		<-s.ready[needed]
	}
	const shortest, longest, steady = 200 * time.Millisecond, 5 * time.Second, 30 * time.Second
	pause := shortest
	for {
		started := time.Now()
		exit, err := s.start(service)
		var ended string
		if err != nil {
			ended = err.Error()
		} else {
			s.update(func() { status.Running, status.Since = true, started.UTC() })
			probing, stop := context.WithCancel(context.Background())
			go s.awaitReady(probing, service, status)
			ended = describe(<-exit)
			stop()
		}
		s.update(func() {
			status.Running, status.Ready = false, false
			status.Since, status.LastExit = time.Now().UTC(), ended
			status.Restarts++
		})
		if time.Since(started) > steady {
			pause = shortest
		}
		time.Sleep(pause)
		pause = min(2*pause, longest)
	}
}

// start begins a service; its exit status comes through the channel.
func (s *supervisor) start(service *servicePlan) (<-chan syscall.WaitStatus, error) {
	log, err := os.OpenFile(filepath.Join(s.plan.Logs, service.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	command := exec.Command(service.Command[0], service.Command[1:]...)
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.Env = os.Environ()
	for key, value := range service.Env {
		command.Env = append(command.Env, key+"="+value)
	}
	// Held until the process is known, so that its end cannot be collected before.
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := command.Start(); err != nil {
		return nil, err
	}
	exit := make(chan syscall.WaitStatus, 1)
	s.exits[command.Process.Pid] = exit
	return exit, command.Process.Release()
}

func (s *supervisor) awaitReady(ctx context.Context, service *servicePlan, status *serviceStatus) {
	for !probe(ctx, service.Ready) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.update(func() {
		if ctx.Err() != nil {
			return
		}
		status.Ready = true
		select {
		case <-s.ready[service.Name]:
		default:
			close(s.ready[service.Name])
		}
	})
}

// update changes the status and writes it out, whole at every moment.
func (s *supervisor) update(change func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	change()
	content, err := json.Marshal(s.status)
	check(err)
	partial := s.plan.Status + ".partial"
	if err := os.WriteFile(partial, content, 0o644); err == nil {
		_ = os.Rename(partial, s.plan.Status)
	}
}

var probeClient = &http.Client{Transport: &http.Transport{
	TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	DisableKeepAlives: true,
}}

// probe says whether a service is ready; one without a probe is ready once started.
func probe(ctx context.Context, target string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	switch network, address, _ := strings.Cut(target, ":"); network {
	case "":
		return true
	case "unix", "tcp":
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			connection.Close()
		}
		return err == nil
	default:
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
		if err != nil {
			return false
		}
		response, err := probeClient.Do(request)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
}

func describe(code syscall.WaitStatus) string {
	if code.Signaled() {
		return "signal: " + code.Signal().String()
	}
	return fmt.Sprintf("exit code %d", code.ExitStatus())
}
