"""A person and a policy together: `dp-plus steer` shows the ways that are open, and the person bends what is done.

| file | idea |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `ways.py` | how a person's wish bends the policy: five ways, one switch (ITPS, arXiv 2411.16627) |
| `orders.py` | what may be ordered, and what an order must be like |
| `session.py` | what the person may do, and what becomes of it; knows no HTTP |
| `shown.py` | a session as the page sees it |
| `record.py` | orders and actions as lines of JSON, and playing them again |
| `server.py` | the session on a loopback address, for one page |
| `page/` | the page itself: no asset from elsewhere |
| `steer.py` | the command |

The session is plain Python: a program or a test gives the same orders that the page gives.
"""
