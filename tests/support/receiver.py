#!/usr/bin/python3
"""
receiver — a destination that says what it received, one line per message

    tests/support/receiver.py ADDRESS PORT [FOLDER]      (FOLDER: keep each message in a file)
"""
import os
import signal
import sys

from wp import mail, smtpd


class Printer(smtpd.Behaviour):
    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def received(self, s, message):
        self.count += 1
        subject = mail.parse(message.data)["Subject"]
        rcpts = ", ".join(address for address, _ in message.rcpts)
        print(f"received from {message.peer}: <{message.sender}> to <{rcpts}> '{subject}', "
              f"{len(message.data)} bytes", flush=True)
        if self.folder:
            with open(os.path.join(self.folder, f"{self.count}.eml"), "wb") as f:
                f.write(message.data)
        return "250 2.0.0 thank you"


def main(args):
    smtpd.Server(Printer(args[2] if len(args) > 2 else None), args[0], int(args[1]))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(sys.argv[1:])
