// A session as a page has it: its conversation, and what can be done with it.
import { useCallback, useEffect, useRef, useState } from "react";
import { asProblem, type Problem } from "~/api/problem";
import { closed, heard, SILENT, type Talk } from "./conversation";
import { connect, type Line, type Ways } from "./line";

export interface Talking {
  /** None: nobody has begun. */
  talk: Talk | undefined;
  /** What it goes over, while it is up. */
  line: Line | undefined;
  /** What it went over last. */
  id: string | undefined;
  problem: Problem | undefined;
  busy: boolean;
  begin: (assistant: string | undefined, ways: Ways) => Promise<Line | undefined>;
  end: () => void;
}

export function useTalk(): Talking {
  const [talk, setTalk] = useState<Talk>();
  const [line, setLine] = useState<Line>();
  const [id, setId] = useState<string>();
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const now = useRef<Line | undefined>(undefined);

  const end = useCallback(() => {
    now.current?.end();
    now.current = undefined;
  }, []);
  // Who leaves the page hangs up, also on what is only just being connected.
  const left = useRef(false);
  useEffect(() => {
    left.current = false;
    return () => {
      left.current = true;
      end();
    };
  }, [end]);

  const begin = async (assistant: string | undefined, ways: Ways) => {
    end();
    setProblem(undefined);
    setBusy(true);
    setTalk(SILENT);
    try {
      const made = await connect(assistant, ways, {
        message: (message) => setTalk((talk) => talk && heard(talk, message)),
        closed: () => {
          setLine(undefined);
          setTalk((talk) => talk && closed(talk));
        },
      });
      if (left.current) {
        made.end();
        return undefined;
      }
      now.current = made;
      setLine(made);
      setId(made.id);
      return made;
    } catch (error) {
      setTalk(undefined);
      setProblem(asProblem(error));
      return undefined;
    } finally {
      setBusy(false);
    }
  };
  return { talk, line, id, problem, busy, begin, end };
}
