"""A policy for robots that ask over a network: `dp-plus serve`.

It speaks the protocol of LeRobot's asynchronous inference (`lerobot.async_inference`, extra `async`), so LeRobot's robot
client talks to it as to LeRobot's own server. That server does not know this package's policies, and shows a policy one
observation at a time, with nothing of the plan that is being executed.

| file | idea |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `serve.py` | the command: who may reach it, and the port |
| `server.py` | the four calls of the protocol, and whose robot it is |
| `session.py` | one robot's run: frames so far, the plan it executes, the next chunk |
| `robot.py` | what a robot's client sends: does it fit the policy, and what is wrong with an observation |
| `still.py` | cameras that send the same picture again and again |
| `unpickling.py` | the client's messages are pickles: only numbers, pictures and words are read from them |
"""
