package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// relayed are the signals that `shmfs sem run` hands on to its command.
var relayed = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2, unix.SIGALRM,
	unix.SIGCONT, unix.SIGWINCH}

// notify returns a channel of the signals given. Those that are ignored stay so, here and (nohup) in the command.
func notify(wanted ...os.Signal) chan os.Signal {
	if signal.Ignored(unix.SIGINT) {
		// Go has forgotten whether SIGQUIT was ignored at the start; shells ignore the two together, in the background.
		signal.Ignore(unix.SIGQUIT)
	}
	signals := make(chan os.Signal, 4*len(wanted))
	for _, one := range wanted {
		if !signal.Ignored(one) {
			signal.Notify(signals, one)
		}
	}
	return signals
}

// endingSignal returns a signal that waits in the channel and ends programs, or nil.
func endingSignal(signals <-chan os.Signal) os.Signal {
	for {
		select {
		case received := <-signals:
			if endsProgram(received) {
				return received
			}
		default:
			return nil
		}
	}
}

// cameFromKeyboard reports whether a signal may be one that the terminal sent, to this process and to every other in the
// foreground: the command has it already. Who sends one of these from elsewhere to a shmfs in the foreground has to send it to
// the command, or to the process group.
func cameFromKeyboard(received os.Signal) bool {
	switch received {
	case unix.SIGINT, unix.SIGQUIT, unix.SIGWINCH:
		return inForeground()
	}
	return false
}

// inForeground reports whether this process is in the foreground process group of its terminal.
func inForeground() bool {
	terminal, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // it has no terminal
	}
	defer unix.Close(terminal)
	group, err := unix.IoctlGetUint32(terminal, unix.TIOCGPGRP)
	return err == nil && int(group) == unix.Getpgrp()
}
