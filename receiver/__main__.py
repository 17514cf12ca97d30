"""``python -m receiver``"""

from __future__ import annotations

from sdjscc.serving.core_log import trace_handshakes
from sdjscc.serving.library_threads import no_threads_of_libraries
from sdjscc.serving.signals import end_on_sigterm

end_on_sigterm()
no_threads_of_libraries()
trace_handshakes()

from receiver.app import main  # noqa: E402

main()
